//! `ablate moses`: Moses's text processing, from standard input to standard output.

use super::{print, read_standard_input};
use crate::error::Result;
use crate::moses::{Detokenizer, Language, Normalization, Normalizer, TokenizeOptions, Tokenizer};
use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    step: Step,
}

#[derive(Debug, Subcommand)]
enum Step {
    /// Normalise quotation marks, dashes and spaces.
    ///
    /// Example: ablate moses normalize --language de < train.de
    Normalize {
        #[command(flatten)]
        text: Text,
        /// Rules to apply: punct (normalize-punctuation.perl) or unicode (replace-unicode-punctuation.perl).
        #[arg(long, value_name = "NAME", default_value = "punct")]
        rules: Normalization,
    },
    /// Separate words and punctuation by spaces.
    ///
    /// Example: ablate moses tokenize --language de --split-hyphens < train.de
    Tokenize {
        #[command(flatten)]
        text: Text,
        /// Turn hyphens between letters or digits into tokens of their own, @-@.
        #[arg(long)]
        split_hyphens: bool,
        /// Do not write special characters as entities, such as &apos;.
        #[arg(long)]
        no_escape: bool,
    },
    /// Join tokens to text.
    ///
    /// Example: ablate moses detokenize --language de < out.tok.de
    Detokenize {
        #[command(flatten)]
        text: Text,
    },
}

#[derive(Debug, Args)]
struct Text {
    /// Language of the text: de, en, fr, ja, ru or zh.
    #[arg(long, short, value_name = "CODE")]
    language: Language,
}

pub fn run(arguments: Arguments) -> Result<()> {
    match arguments.step {
        Step::Normalize { text, rules } => {
            let normalizer = Normalizer::new(rules, text.language);
            each_line(|line| normalizer.normalize(line))
        }
        Step::Tokenize { text, split_hyphens, no_escape } => {
            let options = TokenizeOptions { split_hyphens, escape: !no_escape };
            let tokenizer = Tokenizer::new(text.language, options);
            each_line(|line| tokenizer.tokenize(line))
        }
        Step::Detokenize { text } => {
            let detokenizer = Detokenizer::new(text.language);
            each_line(|line| detokenizer.detokenize(line))
        }
    }
}

/// Prints the result of `process` for every line of standard input. Only `\n` ends a line.
fn each_line(process: impl Fn(&str) -> String) -> Result<()> {
    let input = read_standard_input()?;
    let mut output = String::with_capacity(input.len() + input.len() / 8);
    for line in input.split_terminator('\n') {
        output.push_str(&process(line));
        output.push('\n');
    }
    print(&output)
}
