//! Numbers in readable form.

/// A count with commas between thousands: `6,213`.
pub fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count with its noun, which gets an s unless the count is 1: `1 trial`, `1,200 trials`.
pub fn counted(count: usize, noun: &str) -> String {
    format!("{} {noun}{}", thousands(count as u64), if count == 1 { "" } else { "s" })
}

/// A quantity of any size in few characters: `0.42`, `24.8`, `6,213`, `3.1e12`.
pub fn quantity(value: f64) -> String {
    match value.abs() {
        // Compared after rounding, so that 999.96 is 1,000 and not 1000.0.
        size if size < 9.995 => format!("{value:.2}"),
        size if size < 999.95 => format!("{value:.1}"),
        size if size < 1e9 => {
            let sign = if value < 0.0 { "-" } else { "" };
            format!("{sign}{}", thousands(size.round() as u64))
        }
        // NaN fails every comparison above and ends here, as does infinity.
        _ => format!("{value:.1e}"),
    }
}

/// A number of bytes in its largest unit: `812 B`, `64.0 MiB`, `3.1 GiB`.
pub fn bytes(count: f64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1023.5 {
        return format!("{count:.0} B");
    }
    let (mut value, mut unit) = (count / 1024.0, 0);
    while value >= 999.5 && unit + 1 < units.len() {
        (value, unit) = (value / 1024.0, unit + 1);
    }
    format!("{} {}", if value < 99.95 { format!("{value:.1}") } else { format!("{value:.0}") }, units[unit])
}

/// A small number with its power of ten: `4.1e-4`.
pub fn scientific(value: f64) -> String {
    if value == 0.0 { "0".to_string() } else { format!("{value:.1e}") }
}

/// A duration in its two largest units: `42s`, `18m`, `2h05m`, `3d04h`; below ten minutes with seconds, `1m30s`. `?` if
/// it is negative, infinite or NaN.
///
/// # Units
/// Seconds.
pub fn duration(seconds: f64) -> String {
    if !(0.0..1e11).contains(&seconds) {
        return "?".to_string();
    }
    let seconds = seconds.round() as u64;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..600 => format!("{minutes}m{:02}s", seconds % 60),
        600..3_600 => format!("{minutes}m"),
        3_600..86_400 => format!("{hours}h{:02}m", minutes % 60),
        _ => format!("{}d{:02}h", thousands(days), hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated() {
        let shown = [0, 7, 999, 1_000, 6_213, 100_000, 1_234_567, u64::MAX].map(thousands);
        assert_eq!(
            shown,
            ["0", "7", "999", "1,000", "6,213", "100,000", "1,234,567", "18,446,744,073,709,551,615"]
        );
    }

    #[test]
    fn quantities_keep_three_digits_or_all_before_the_point() {
        let values =
            [0.0, 0.423, 9.996, 24.84, 999.94, 999.96, 6213.4, -6213.4, 3.14e12, f64::INFINITY, f64::NAN];
        let shown = values.map(quantity);
        assert_eq!(
            shown,
            ["0.00", "0.42", "10.0", "24.8", "999.9", "1,000", "6,213", "-6,213", "3.1e12", "inf", "NaN"]
        );
    }

    #[test]
    fn bytes_have_the_unit_that_keeps_them_below_a_thousand() {
        let counts = [0.0, 812.0, 1024.0, 64.0 * 1048576.0, 250.4 * 1048576.0, 1020.0 * 1048576.0, 5e13];
        assert_eq!(
            counts.map(bytes),
            ["0 B", "812 B", "1.0 KiB", "64.0 MiB", "250 MiB", "1.0 GiB", "45.5 TiB"]
        );
    }

    #[test]
    fn small_numbers_show_their_power_of_ten() {
        assert_eq!(
            [4.1e-4, 1e-7, 0.0, 1.0, f64::NAN].map(scientific),
            ["4.1e-4", "1.0e-7", "0", "1.0e0", "NaN"]
        );
    }

    #[test]
    fn durations_show_two_units() {
        let seconds = [0.4, 59.4, 59.6, 90.0, 599.0, 600.0, 1_099.0, 7_530.0, 86_399.9, 273_600.0];
        assert_eq!(
            seconds.map(duration),
            ["0s", "59s", "1m00s", "1m30s", "9m59s", "10m", "18m", "2h05m", "1d00h", "3d04h"]
        );
        assert_eq!([f64::NAN, f64::INFINITY, -1.0].map(duration), ["?", "?", "?"]);
    }
}
