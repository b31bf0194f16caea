//! The one error type: its message is for the user, its exit code for scripts.

pub use crate::diagnostic::{Diagnostic, Place, did_you_mean, nearest};
use std::any::Any;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Shorthand for results with [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// The exit code of [`Error::User`] and [`Error::Config`].
pub const USER_CODE: u8 = 2;
/// The exit code of [`Error::Diverged`] and [`Error::GradientDiverged`].
pub const DIVERGED_CODE: u8 = 3;
/// The exit code of [`Error::OutOfMemory`] and [`Error::TooLarge`].
pub const OUT_OF_MEMORY_CODE: u8 = 4;
/// The exit code of [`Error::Busy`].
pub const BUSY_CODE: u8 = 5;
/// The exit code of [`Error::Interrupted`] and of the other errors after which the same command goes on.
pub const STOPPED_CODE: u8 = 75;
/// The advice of errors for lack of memory.
pub const MEMORY_REMEDY: &str =
    "lower training.micro_batch_tokens or decoding.batch_tokens, or make the model smaller";

/// The advice of errors for a training that diverged.
const DIVERGENCE_REMEDY: &str = "lower training.learning_rate_scale (or training.peak_learning_rate, if the schedule has one), \
                                 raise training.warmup_steps or set training.clip_norm";

/// Everything that can end a command early.
///
/// Exit codes are a contract with sweeps and cluster scripts; see [`Error::exit_code`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A mistake in the user's input: usage, configuration or files.
    #[error("{0}")]
    User(String),
    /// A mistake in a TOML file, with its place.
    #[error("{0}")]
    Config(Box<Diagnostic>),
    /// The command was valid, but its work failed.
    #[error("{0}")]
    Failed(String),
    /// The operating system refused an operation on a file.
    #[error("cannot {action} {path}: {source}{}", remedy(.source))]
    Io {
        /// The attempted action, as a verb: "read", "create".
        action: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
    /// The loss is NaN, infinite, or many times the loss of guessing.
    #[error("training diverged at step {step}: the loss is {loss}; {remedy}", remedy = DIVERGENCE_REMEDY)]
    Diverged { step: u64, loss: f64 },
    /// The loss is a number, but its gradient is not finite.
    #[error(
        "training diverged at step {step}: the norm of the gradient is {norm}; {remedy}",
        remedy = DIVERGENCE_REMEDY
    )]
    GradientDiverged { step: u64, norm: f64 },
    /// The device has no memory left.
    #[error("out of memory: {0}; {remedy}", remedy = MEMORY_REMEDY)]
    OutOfMemory(String),
    /// The device can never hold what the work needs; no work was begun.
    #[error("{0}")]
    TooLarge(String),
    /// A signal asked to stop. The state is saved, and the same command continues.
    #[error("stopped by a signal at step {step}; the same command goes on from there")]
    Interrupted { step: u64 },
    /// Training reached the step at which it was told to pause. The state is saved.
    #[error("paused at step {step} as asked; it can go on from there")]
    Paused { step: u64 },
    /// Another process of those that train together ended or failed; `code` is its exit code, if known.
    #[error("{message}")]
    Peer { message: String, code: u8 },
    /// Another process is at work in the same place.
    #[error("{0}")]
    Busy(String),
    /// A sweep was stopped before its trials were finished.
    #[error("{0}; the same command goes on")]
    SweepStopped(String),
    /// Like [`Error::Interrupted`], but outside training.
    #[error("stopped by a signal {0}; the same command goes on from there")]
    Stopped(String),
}

impl Error {
    /// Creates the error of a user's mistake: exit code 2.
    pub fn user(message: impl Into<String>) -> Self {
        Error::User(message.into())
    }

    /// Creates the error of work that failed: exit code 1.
    pub fn failed(message: impl Into<String>) -> Self {
        Error::Failed(message.into())
    }

    /// Creates the function for `map_err` on file operations: `.map_err(Error::io("read", path))`.
    pub fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Error::Io { action, path, source }
    }

    /// Sets the place of a configuration's mistake that has none yet.
    pub fn at(self, place: &Place) -> Self {
        match self {
            Error::Config(mut diagnostic) => {
                diagnostic.place.get_or_insert_with(|| place.clone());
                Error::Config(diagnostic)
            }
            other => other,
        }
    }

    /// Returns whether the content of a file is at fault, or the file is gone. Every other cause, such as a missing
    /// permission or a network file system that does not answer, may have passed when the command is repeated.
    pub fn is_damage(&self) -> bool {
        match self {
            Error::Failed(_) => true,
            Error::Io { source, .. } => source.kind() == ErrorKind::NotFound,
            _ => false,
        }
    }

    /// Returns whether the exit code says that the user made a mistake.
    pub fn is_user(&self) -> bool {
        self.exit_code() == USER_CODE
    }

    /// Returns the exit code: 1 failed, 2 user error, 3 diverged, 4 out of memory, 5 another process is at work in the
    /// same place, 75 stopped with the state saved (start it again). 0 means success and is no error's code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::User(_) | Error::Config(_) => USER_CODE,
            // Mapping a file, for one, takes memory that the system may not have.
            Error::Io { source, .. } if source.kind() == ErrorKind::OutOfMemory => OUT_OF_MEMORY_CODE,
            Error::Failed(_) | Error::Io { .. } => 1,
            Error::Diverged { .. } | Error::GradientDiverged { .. } => DIVERGED_CODE,
            Error::OutOfMemory(_) | Error::TooLarge(_) => OUT_OF_MEMORY_CODE,
            Error::Busy(_) => BUSY_CODE,
            Error::Peer { code, .. } => *code,
            Error::Interrupted { .. } | Error::Paused { .. } | Error::Stopped(_) | Error::SweepStopped(_) => {
                STOPPED_CODE
            }
        }
    }
}

/// Returns the advice for an error whose text from the operating system is not enough; empty for other errors.
fn remedy(error: &std::io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::FileTooLarge => {
            "; this process may not write larger files here (`ulimit -f` shows its limit, file systems have theirs)"
        }
        _ => "",
    }
}

/// Parts of the messages with which libtorch, CUDA's libraries, C++ and Rust report that memory is not enough, or that
/// a size overflows; in lower case.
const OUT_OF_MEMORY: [&str; 12] = [
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "could not allocate memory",
    "not enough memory",
    // From cuBLAS and others, and from cuDNN 9, on a card that is full already.
    "status_alloc_failed",
    "allocation_failed",
    "bad_alloc",
    "size calculation overflowed",
    "stride calculation overflowed",
    "integer multiplication overflow",
    "capacity overflow",
];

impl Error {
    /// Classifies a message of libtorch as out of memory or plain failure.
    pub fn from_torch_message(message: &str) -> Self {
        // libtorch appends its C++ stack below the first line.
        let first = message.lines().next().unwrap_or("libtorch failed").trim();
        let lower = first.to_ascii_lowercase();
        if OUT_OF_MEMORY.iter().any(|text| lower.contains(text)) {
            // The text before it is the name and line of a C++ file.
            let said = first.find("DefaultCPUAllocator: ").map_or(first, |at| &first[at..]);
            Error::OutOfMemory(said.to_string())
        } else {
            Error::Failed(format!("libtorch: {first}"))
        }
    }

    /// Returns the error of a panic for lack of memory, `None` for other panics, which are bugs. libtorch's plain
    /// operations panic for lack of memory, and so do Rust's collections of a size that no memory can hold.
    pub fn from_panic(panic: &(dyn Any + Send)) -> Option<Self> {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied())?;
        // tch's error, as `unwrap` shows it, has its message in quotes.
        let text = text.split_once("Torch(\"").map_or(text, |(_, message)| message);
        let text = text.split("\\n").next().unwrap_or(text).trim_end_matches("\")");
        let error = Error::from_torch_message(text);
        matches!(error, Error::OutOfMemory(_)).then_some(error)
    }
}

impl From<Diagnostic> for Error {
    fn from(diagnostic: Diagnostic) -> Self {
        Error::Config(Box::new(diagnostic))
    }
}

/// The largest number of mistakes that one error states.
pub const MOST_MISTAKES: usize = 20;

/// The mistakes that several checks of a user's files have found so far, to be stated as one error.
#[derive(Debug, Clone, Default)]
pub struct Mistakes(Vec<Diagnostic>);

impl Mistakes {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether an error would state no further mistakes.
    pub fn is_full(&self) -> bool {
        self.0.len() >= MOST_MISTAKES
    }

    /// Adds the mistakes of one check. Leaves out a mistake that mostly follows from an earlier check's mistake at the
    /// same place, or that repeats it in another row.
    pub fn add(&mut self, mut mistake: Diagnostic) {
        let known = self.0.len();
        let more = std::mem::take(&mut mistake.more);
        for mistake in std::iter::once(mistake).chain(more) {
            if !self.0[..known].iter().any(|earlier| earlier.covers(&mistake)) {
                self.0.push(mistake);
            }
        }
    }

    /// Adds a mistake that a check has just found, given as an error.
    ///
    /// # Errors
    /// The errors of [`keep`](Self::keep).
    pub fn add_error(&mut self, error: Error) -> Result<()> {
        self.keep::<()>(Err(error)).map(|_| ())
    }

    /// Returns the result of a check. If the check found mistakes, adds them and returns `None`.
    ///
    /// # Errors
    /// An error other than a mistake in a file: further checks would be of no use.
    pub fn keep<T>(&mut self, checked: Result<T>) -> Result<Option<T>> {
        match checked {
            Ok(result) => Ok(Some(result)),
            Err(Error::Config(mistake)) => {
                self.add(*mistake);
                Ok(None)
            }
            Err(other) => Err(other),
        }
    }

    /// Ends the checks with the result of the last one.
    ///
    /// # Errors
    /// All mistakes that this check or one before it has found, or another error of this check.
    pub fn end<T>(mut self, last: Result<T>) -> Result<T> {
        match self.keep(last)? {
            Some(result) if self.is_empty() => Ok(result),
            _ => Err(self.into_diagnostic().into()),
        }
    }

    /// Joins all mistakes into one.
    pub fn into_diagnostic(mut self) -> Diagnostic {
        let is_cut = self.is_full();
        self.0.truncate(MOST_MISTAKES);
        let all = Diagnostic::of_all(self.0.into_iter().map(Err));
        let mut all = all.unwrap_or_else(|| Diagnostic::new("the file cannot be read"));
        if let Some(last) = all.more.last_mut().filter(|_| is_cut) {
            let help = last.help.take().map_or(String::new(), |help| format!("{help}; "));
            last.help = Some(format!("{help}there may be more mistakes than these {MOST_MISTAKES}"));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mistakes_of_several_checks_are_one_error() {
        let text: std::sync::Arc<str> = "a\nb\nc\n".into();
        let at = |start: usize, message: &str| {
            let place = Place { file: "a.toml".into(), text: text.clone(), span: start..start + 1 };
            Diagnostic::new(message).at(Some(place))
        };
        let of = |mistake: Diagnostic| -> Result<()> { Err(mistake.into()) };
        let mut mistakes = Mistakes::default();
        assert_eq!(mistakes.keep(Ok(3)).unwrap(), Some(3));
        assert_eq!(mistakes.clone().end(Ok(3)).unwrap(), 3);
        assert_eq!(mistakes.keep(of(at(4, "third"))).unwrap(), None);
        // A mistake at a place that has one already, of the same check and of a later one.
        let both = Diagnostic { more: [at(2, "second, too")].into(), ..at(2, "second") };
        assert_eq!(mistakes.keep(of(both)).unwrap(), None);
        assert_eq!(mistakes.keep(of(at(2, "what follows"))).unwrap(), None);
        assert!(mistakes.keep(Err::<(), _>(Error::failed("disk"))).is_err());
        let Err(Error::Config(all)) = mistakes.end(of(at(0, "first"))) else { panic!("no mistakes") };
        let messages: Vec<&str> =
            std::iter::once(&*all).chain(&all.more).map(|mistake| mistake.message.as_str()).collect();
        assert_eq!(messages, ["first", "second", "second, too", "third"]);
    }

    #[test]
    fn a_mistake_at_a_known_place_is_added_where_it_is_another_one_of_another_row() {
        let text: std::sync::Arc<str> = "heads = 8\n".into();
        let place = Place { file: "a.toml".into(), text, span: 8..9 };
        let told = |messages: [&str; 3], place: Option<&Place>| {
            let mut mistakes = Mistakes::default();
            for message in messages {
                mistakes.add(Diagnostic::new(message).at(place.cloned()));
            }
            let all = mistakes.into_diagnostic();
            std::iter::once(&all).chain(&all.more).map(|told| told.message.clone()).collect::<Vec<_>>()
        };
        let rows = ["row \"a\": 100", "row \"b\": 102", "row \"c\": 100"];
        assert_eq!(told(rows, Some(&place)), rows[..2]);
        assert_eq!(told(rows, None), rows[..2]);
        let file = ["of the file", "row \"b\": 102", "of the file"];
        assert_eq!(told(file, Some(&place)), file[..1]);
        assert_eq!(told(file, None), file[..2]);
        // Words of an option are in the order of the command line, whatever their columns.
        let word = |at: usize| Place { file: "--set".into(), span: at..at + 1, ..place.clone() };
        let words = [5, 1].map(|at| Err(Diagnostic::new(at.to_string()).at(Some(word(at)))));
        assert_eq!(Diagnostic::of_all(words).unwrap().message, "5");
    }

    #[test]
    fn messages_of_libtorch_are_sorted_by_memory() {
        assert_eq!(Error::from_torch_message("CUDA out of memory. Tried…\n at x").exit_code(), 4);
        assert_eq!(Error::from_torch_message("shape mismatch").exit_code(), 1);
        for told in ["std::bad_alloc", "Storage size calculation overflowed with sizes=[4, 5]"] {
            assert_eq!(Error::from_torch_message(told).exit_code(), 4, "{told}");
        }
    }

    #[test]
    fn a_panic_for_lack_of_memory_is_an_error_and_no_other_panic_is() {
        let panic = std::panic::catch_unwind(|| Vec::<u64>::with_capacity(usize::MAX)).unwrap_err();
        assert_eq!(Error::from_panic(&*panic).unwrap().exit_code(), 4);
        for bug in ["index out of bounds", "attempt to multiply with overflow"] {
            assert!(Error::from_panic(&bug.to_string()).is_none(), "{bug}");
        }
    }

    #[test]
    fn what_the_system_refuses_for_lack_of_memory_has_the_exit_code_of_that() {
        let refused = |code| Error::io("map", "a")(std::io::Error::from_raw_os_error(code));
        assert_eq!([libc::ENOMEM, libc::ENOSPC].map(|code| refused(code).exit_code()), [4, 1]);
        assert!(refused(libc::EFBIG).to_string().contains("cannot map a: File too large"));
        assert!(refused(libc::EFBIG).to_string().contains("`ulimit -f` shows its limit"));
    }
}
