//! The names of sets and metrics, and the tags that the program itself uses.

/// The sets on which metrics are measured.
pub const TRAIN: &str = "train";
pub const DEV: &str = "dev";
pub const TEST: &str = "test";
/// The best value that training measured on dev.
pub const BEST: &str = "best";

pub const LOSS: &str = "loss";
pub const PERPLEXITY: &str = "perplexity";
pub const WORD_PERPLEXITY: &str = "word_perplexity";
/// Perplexity of the characters of running text, ends of lines counted.
pub const CHARACTER_PERPLEXITY: &str = "character_perplexity";
pub const BITS_PER_CHARACTER: &str = "bits_per_character";
pub const ACCURACY: &str = "accuracy";
/// Perplexity of the hidden tokens of a masked language model, given all others. It is no perplexity of the text.
pub const MASKED_PERPLEXITY: &str = "masked_perplexity";
/// The share of hidden tokens that the model ranks first.
pub const MASKED_ACCURACY: &str = "masked_accuracy";
/// The share of second texts for which the model predicts rightly whether they follow the first; half of them do.
pub const NEXT_SENTENCE_ACCURACY: &str = "next_sentence_accuracy";
/// The share of predictions of word vectors that give the word a higher score than every noise word.
pub const PREDICTION_ACCURACY: &str = "prediction_accuracy";
pub const BLEU: &str = "bleu";
/// The share of translations that equal their reference, or of parses whose brackets all match.
pub const EXACT_MATCH: &str = "exact_match";
/// BLEU of Moses's tokens, compounds split; recorded if Moses knows the target language.
pub const ATAT: &str = "atat";
/// chrF2 with sacreBLEU's defaults: an F-score over characters.
pub const CHRF: &str = "chrf";

/// Labelled-bracket F1 of parse trees, as EVALB computes it, with precision and recall.
pub const F1: &str = "f1";
pub const PRECISION: &str = "precision";
pub const RECALL: &str = "recall";
/// F1 of the sentences of at most 40 words, EVALB's second summary.
pub const F1_SHORT: &str = "f1_at_most_40_words";
/// F1 of the sentences whose sequence was a tree and needed no repair.
pub const F1_WELL_FORMED: &str = "f1_well_formed";
/// The share of words with the same tag as in the reference.
pub const TAGGING: &str = "tagging_accuracy";
/// The share of sequences that were no tree and were repaired.
pub const MALFORMED: &str = "malformed";

/// Tags that the program itself uses.
pub const TRAIN_LOSS: &str = "train/loss";
pub const DEV_LOSS: &str = "dev/loss";
pub const DEV_PERPLEXITY: &str = "dev/perplexity";
pub const DEV_BLEU: &str = "dev/bleu";
pub const DEV_F1: &str = "dev/f1";
pub const TEST_F1: &str = "test/f1";
pub const TEST_BLEU: &str = "test/bleu";
pub const TEST_ATAT: &str = "test/atat";
pub const TEST_MASKED_PERPLEXITY: &str = "test/masked_perplexity";
pub const TEST_PREDICTION_ACCURACY: &str = "test/prediction_accuracy";
