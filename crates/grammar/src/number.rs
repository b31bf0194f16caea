//! Cardinal numbers in words.

const ENGLISH_SMALL: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const ENGLISH_TENS: [&str; 8] =
    ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];

const GERMAN_SMALL: [&str; 20] = [
    "null",
    "eins",
    "zwei",
    "drei",
    "vier",
    "fünf",
    "sechs",
    "sieben",
    "acht",
    "neun",
    "zehn",
    "elf",
    "zwölf",
    "dreizehn",
    "vierzehn",
    "fünfzehn",
    "sechzehn",
    "siebzehn",
    "achtzehn",
    "neunzehn",
];
const GERMAN_TENS: [&str; 8] =
    ["zwanzig", "dreißig", "vierzig", "fünfzig", "sechzig", "siebzig", "achtzig", "neunzig"];

/// Returns a number below 100 in English: "twenty-five".
pub fn english(number: usize) -> String {
    match number {
        0..20 => ENGLISH_SMALL[number].to_string(),
        _ => {
            let tens = ENGLISH_TENS[number / 10 - 2];
            match number % 10 {
                0 => tens.to_string(),
                unit => format!("{tens}-{}", ENGLISH_SMALL[unit]),
            }
        }
    }
}

/// Returns a number below 100 in German, units before tens: "fünfundzwanzig".
pub fn german(number: usize) -> String {
    match number {
        0..20 => GERMAN_SMALL[number].to_string(),
        _ => {
            let tens = GERMAN_TENS[number / 10 - 2];
            match number % 10 {
                0 => tens.to_string(),
                1 => format!("einund{tens}"),
                unit => format!("{}und{tens}", GERMAN_SMALL[unit]),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn irregular_and_composed_numbers_are_right() {
        let expected = [
            (1, "one", "eins"),
            (7, "seven", "sieben"),
            (12, "twelve", "zwölf"),
            (16, "sixteen", "sechzehn"),
            (17, "seventeen", "siebzehn"),
            (20, "twenty", "zwanzig"),
            (21, "twenty-one", "einundzwanzig"),
            (30, "thirty", "dreißig"),
            (36, "thirty-six", "sechsunddreißig"),
            (40, "forty", "vierzig"),
            (61, "sixty-one", "einundsechzig"),
            (66, "sixty-six", "sechsundsechzig"),
            (77, "seventy-seven", "siebenundsiebzig"),
            (99, "ninety-nine", "neunundneunzig"),
        ];
        for (number, en, de) in expected {
            assert_eq!((english(number).as_str(), german(number).as_str()), (en, de));
        }
    }

    #[test]
    fn every_number_from_1_to_99_is_built_of_its_unit_and_its_ten() {
        let mut seen = std::collections::HashSet::new();
        for number in 1..100 {
            let word = german(number);
            assert!(seen.insert(word.clone()), "{word} names two numbers");
            if number > 20 && number % 10 > 1 {
                assert_eq!(word, format!("{}und{}", german(number % 10), german(number / 10 * 10)));
            }
        }
    }
}
