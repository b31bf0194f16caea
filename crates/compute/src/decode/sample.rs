//! Sampling from a language model: each token is drawn from the model's distribution, which temperature, top-k and
//! top-p may change (`ablate generate`).

use crate::data::reading::FirstInput;
use crate::data::tokenizer::{BOS, EOS};
use crate::error::{Error, Result};
use crate::model::{Generator, Network, Stepper};
use crate::seed::{Purpose, uniform};
use tch::{Device, Kind, Tensor};

/// The rule by which the next token is drawn from the scores of all tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// Divisor of the scores before the softmax. At 0 the most probable token is always taken.
    pub temperature: f64,
    /// Number of most probable tokens to draw from (Fan et al. 2018); absent: all.
    pub top_k: Option<usize>,
    /// Share of probability to draw from: the fewest most probable tokens that reach it (Holtzman et al. 2020,
    /// "nucleus"), out of the tokens that `top_k` leaves; absent: all.
    pub top_p: Option<f64>,
}

impl Sampling {
    /// The model's distribution, unchanged.
    pub const PLAIN: Sampling = Sampling { temperature: 1.0, top_k: None, top_p: None };

    /// Returns the places in `scores` that can be drawn, with their probabilities, which add up to 1. The most probable
    /// comes first; of equal scores the earlier place.
    pub fn distribution(&self, scores: &[f64]) -> Vec<(usize, f64)> {
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
        let kept = if self.temperature == 0.0 { 1 } else { self.top_k.unwrap_or(scores.len()) };
        order.truncate(kept.max(1));
        let Some(&best) = order.first() else { return Vec::new() };
        let weight = |place: usize| match self.temperature {
            0.0 => 1.0,
            temperature => ((scores[place] - scores[best]) / temperature).exp(),
        };
        let mut weights: Vec<(usize, f64)> = order.into_iter().map(|place| (place, weight(place))).collect();
        if let Some(share) = self.top_p {
            let wanted = share * sum(&weights);
            let mut before = 0.0;
            let needed = weights.iter().take_while(|(_, weight)| {
                let needed = before < wanted;
                before += weight;
                needed
            });
            let needed = needed.count().max(1);
            weights.truncate(needed);
        }
        let total = sum(&weights);
        weights.iter_mut().for_each(|(_, weight)| *weight /= total);
        weights
    }
}

fn sum(weights: &[(usize, f64)]) -> f64 {
    weights.iter().map(|(_, weight)| weight).sum()
}

/// Returns the place that `at`, a number in [0, 1), falls on: each place covers an interval as long as its probability.
fn drawn(distribution: &[(usize, f64)], at: f64) -> usize {
    let mut until = 0.0;
    let found = distribution.iter().find(|(_, probability)| {
        until += probability;
        at < until
    });
    // Probabilities may add up to a little less than 1.
    found.or(distribution.last()).expect("something can be drawn").0
}

/// A text to continue, with the length and the rules of the continuation.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Ids of the text to continue.
    pub prompt: &'a [u32],
    /// The first input of the model, as in training: `<s>`, or a token of other text. Before an empty prompt, `<s>` is
    /// always read.
    pub first_input: FirstInput,
    /// Number of tokens to write.
    pub tokens: usize,
    pub sampling: Sampling,
    /// Seed of the draws; the same seed writes the same text.
    pub seed: u64,
    /// Number of ids, including the special ones, which are never written.
    pub vocabulary: usize,
    /// The most tokens that the model reads at once, `<s>` included: the length of a block in training. When the window
    /// is full, the model reads the last half of its tokens again, behind `<s>` if `first_input` says so, and continues.
    pub window: usize,
}

/// Writes the text of `request`, token by token with the model's cache. Calls `written` with each token.
///
/// # Errors
/// A user error if the model has no decoder, and the errors of `written`.
pub fn generate(
    model: &dyn Network,
    request: &Request,
    written: &mut dyn FnMut(u32) -> Result<()>,
) -> Result<Vec<u32>> {
    let Request { prompt, first_input, tokens, sampling, seed, vocabulary, window } = *request;
    let Some(generator) = model.generator() else {
        return Err(Error::user("this model only reads: it has no decoder that could write"));
    };
    let first = EOS + 1;
    let mut text = prompt.to_vec();
    // The least number of tokens of the text to read: without `<s>` there must be one.
    let (room, least) = match first_input {
        FirstInput::Bos => (window.saturating_sub(1), 0),
        FirstInput::PreviousToken => (window, 1),
    };
    let read = |text: &[u32], count: usize| {
        Context::read(model, generator, first_input, last(text, count.max(least)))
    };
    let mut context = read(&text, room);
    for number in 0..tokens {
        let scores = tch::no_grad(|| model.logits(&context.hidden));
        let ordinary = scores.narrow(-1, i64::from(first), vocabulary as i64 - i64::from(first));
        let scores =
            Vec::<f64>::try_from(ordinary.to_kind(Kind::Double).to_device(Device::Cpu).flatten(0, -1))
                .map_err(|error| Error::failed(format!("scores of tokens: {error}")))?;
        let at = uniform(seed, Purpose::Writing, number as u64);
        let token = first + drawn(&sampling.distribution(&scores), at) as u32;
        text.push(token);
        written(token)?;
        if number + 1 == tokens {
            break;
        }
        match context.length < window {
            true => context.step(model, token),
            false => context = read(&text, window / 2),
        }
    }
    Ok(text.split_off(prompt.len()))
}

fn last(text: &[u32], count: usize) -> &[u32] {
    &text[text.len().saturating_sub(count)..]
}

/// The model's state after the tokens that it has read.
struct Context<'a> {
    stepper: Box<dyn Stepper + 'a>,
    /// Hidden state behind the last token, [1, W].
    hidden: Tensor,
    /// Number of tokens read, `<s>` included.
    length: usize,
}

impl<'a> Context<'a> {
    /// Reads these tokens, behind `<s>` unless the first token takes its place.
    fn read(
        model: &dyn Network,
        generator: &'a dyn Generator,
        first_input: FirstInput,
        tokens: &[u32],
    ) -> Self {
        let (first, others) = match (first_input, tokens) {
            (FirstInput::PreviousToken, [first, others @ ..]) => (*first, others),
            _ => (BOS, tokens),
        };
        let no_source = Tensor::zeros([1, 0], (Kind::Int64, model.device()));
        let mut stepper = tch::no_grad(|| generator.start(&no_source, &[0]));
        let hidden = tch::no_grad(|| stepper.step(&input(model, first)));
        let mut context = Context { stepper, hidden, length: 1 };
        others.iter().for_each(|&token| context.step(model, token));
        context
    }

    fn step(&mut self, model: &dyn Network, token: u32) {
        self.hidden = tch::no_grad(|| self.stepper.step(&input(model, token)));
        self.length += 1;
    }
}

/// [1, 1]
fn input(model: &dyn Network, token: u32) -> Tensor {
    Tensor::from_slice(&[i64::from(token)]).view([1, 1]).to_device(model.device())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::mode::Mode;
    use crate::model::{DecoderOnly, EncoderKind, ModelConfig, Position};

    fn near(found: &[(usize, f64)], expected: &[(usize, f64)]) {
        let places = |of: &[(usize, f64)]| of.iter().map(|(place, _)| *place).collect::<Vec<_>>();
        assert_eq!(places(found), places(expected), "{found:?}");
        let gap = found.iter().zip(expected).map(|(a, b)| (a.1 - b.1).abs()).fold(0.0, f64::max);
        assert!(gap < 1e-12, "{found:?} and {expected:?}");
    }

    /// Scores that are the logarithms of 1, 4, 2, 1 and 8: probabilities of sixteenths. By hand.
    #[test]
    fn distributions_are_cut_off_as_computed_by_hand() {
        let scores = [1f64, 4.0, 2.0, 1.0, 8.0].map(f64::ln);
        let of = |temperature, top_k, top_p| Sampling { temperature, top_k, top_p }.distribution(&scores);
        let sixteenth = 1.0 / 16.0;
        near(&of(1.0, None, None), &[(4, 0.5), (1, 0.25), (2, 0.125), (0, sixteenth), (3, sixteenth)]);
        near(&of(1.0, Some(2), None), &[(4, 8.0 / 12.0), (1, 4.0 / 12.0)]);
        near(&of(1.0, Some(4), None), &[(4, 8.0 / 15.0), (1, 4.0 / 15.0), (2, 2.0 / 15.0), (0, 1.0 / 15.0)]);
        near(&of(1.0, Some(99), None), &of(1.0, None, None));
        // The fewest tokens that reach the share: 0.5 alone reaches 0.49, and 0.51 needs a second token.
        near(&of(1.0, None, Some(0.49)), &[(4, 1.0)]);
        near(&of(1.0, None, Some(0.51)), &[(4, 2.0 / 3.0), (1, 1.0 / 3.0)]);
        near(&of(1.0, None, Some(0.87)), &[(4, 8.0 / 14.0), (1, 4.0 / 14.0), (2, 2.0 / 14.0)]);
        near(&of(1.0, None, Some(1.0)), &of(1.0, None, None));
        near(&of(1.0, None, Some(0.0)), &[(4, 1.0)]);
        // Of the two tokens that top_k leaves, the first has two thirds of the probability.
        near(&of(1.0, Some(2), Some(0.6)), &[(4, 1.0)]);
        near(&of(1.0, Some(2), Some(0.7)), &[(4, 2.0 / 3.0), (1, 1.0 / 3.0)]);
        // Half the temperature squares the probabilities: 64, 16, 4, 1 and 1 of 86. Doubling it takes roots.
        near(&of(0.5, Some(3), None), &[(4, 64.0 / 84.0), (1, 16.0 / 84.0), (2, 4.0 / 84.0)]);
        let root = 2f64.sqrt();
        near(&of(2.0, Some(2), None), &[(4, 2.0 * root / (2.0 * root + 2.0)), (1, 2.0 / (2.0 * root + 2.0))]);
        near(&of(0.0, None, None), &[(4, 1.0)]);
        near(&Sampling { temperature: 0.0, ..Sampling::PLAIN }.distribution(&[1.0, 3.0, 3.0]), &[(1, 1.0)]);
    }

    #[test]
    fn a_draw_falls_on_each_token_as_often_as_it_is_probable() {
        let distribution = [(7, 0.5), (2, 0.375), (9, 0.125)];
        let places = [(0.0, 7), (0.49, 7), (0.5, 2), (0.87, 2), (0.875, 9), (0.999, 9)];
        places.iter().for_each(|&(at, place)| assert_eq!(drawn(&distribution, at), place, "{at}"));
        assert_eq!(drawn(&[(3, 0.4), (4, 0.4)], 0.9), 4);
        let mut counts = [0usize; 10];
        (0..20_000).for_each(|n| counts[drawn(&distribution, uniform(3, Purpose::Writing, n))] += 1);
        for (place, probability) in distribution {
            // Five standard deviations of 20,000 draws at most.
            let expected = 20_000.0 * probability;
            assert!((counts[place] as f64 - expected).abs() < 360.0, "{place}: {}", counts[place]);
        }
    }

    fn model(position: Position, kind: Kind) -> DecoderOnly {
        tch::set_num_threads(1);
        let config = ModelConfig {
            encoder: EncoderKind::None,
            layers: 2,
            d_model: 16,
            d_ff: 24,
            heads: 2,
            position,
            learned_positions: 8,
            ..Default::default()
        };
        let model = DecoderOnly::build(&config, 12, 3, kind, Device::Cpu);
        // Sharper than fresh weights, so that one token is the most probable by more than rounding.
        tch::no_grad(|| {
            model
                .weights()
                .named()
                .iter()
                .for_each(|(_, weight)| _ = weight.shallow_clone().g_mul_scalar_(2.0))
        });
        model
    }

    const REQUEST: Request = Request {
        prompt: &[],
        first_input: FirstInput::Bos,
        tokens: 20,
        sampling: Sampling::PLAIN,
        seed: 1,
        vocabulary: 12,
        window: 8,
    };

    /// Returns the token that the model finds most probable behind these tokens, by one pass over all of them.
    fn most_probable(model: &DecoderOnly, tokens: &[u32]) -> u32 {
        let ids: Vec<i64> = tokens.iter().map(|&id| i64::from(id)).collect();
        let ids = Tensor::from_slice(&ids).unsqueeze(0);
        let hidden = tch::no_grad(|| model.decode(&ids, &Mode::evaluation()));
        let scores = model.logits(&hidden.select(1, ids.size()[1] - 1)).narrow(1, 3, 9);
        3 + scores.argmax(1, false).int64_value(&[0]) as u32
    }

    /// Within a window nothing is forgotten; beyond it the last half of the window is read again. `<s>` takes one
    /// place, if the model reads `<s>`.
    #[test]
    fn the_cache_writes_what_whole_passes_say() {
        let kinds = [(Position::Learned, Kind::Float), (Position::Rotary, Kind::Double)];
        let first_inputs = [(FirstInput::Bos, &[BOS][..], 7), (FirstInput::PreviousToken, &[], 8)];
        for ((position, kind), (first_input, usual, usual_room)) in
            kinds.into_iter().flat_map(|kind| first_inputs.map(|first_input| (kind, first_input)))
        {
            let model = model(position, kind);
            for prompt in [&[][..], &[5, 9], &[4; 20]] {
                let sampling = Sampling { temperature: 0.0, ..Sampling::PLAIN };
                let request = Request { prompt, first_input, sampling, ..REQUEST };
                let mut heard = Vec::new();
                let found = generate(&model, &request, &mut |token| {
                    heard.push(token);
                    Ok(())
                })
                .unwrap();
                assert_eq!((found.len(), &found), (20, &heard));
                let mut text = prompt.to_vec();
                // Before an empty text only `<s>` is possible, and it takes a place then, too.
                let (mut before, mut room) =
                    if prompt.is_empty() { (&[BOS][..], 7) } else { (usual, usual_room) };
                let mut seen = text.len().min(room);
                for token in found {
                    let read = [before, last(&text, seen)].concat();
                    assert_eq!(token, most_probable(&model, &read), "{first_input:?}, {prompt:?}, {text:?}");
                    text.push(token);
                    seen += 1;
                    if seen > room {
                        (seen, before, room) = (4, usual, usual_room);
                    }
                }
            }
        }
    }

    #[test]
    fn a_seed_writes_the_same_again_and_no_special_token() {
        let model = model(Position::Learned, Kind::Float);
        let write = |seed| {
            let sampling = Sampling { temperature: 5.0, ..Sampling::PLAIN };
            let request = Request { prompt: &[5], tokens: 60, sampling, seed, ..REQUEST };
            generate(&model, &request, &mut |_| Ok(())).unwrap()
        };
        assert_eq!(write(1), write(1));
        assert_ne!(write(1), write(2));
        assert!(write(1).iter().all(|token| (3..12).contains(token)));
    }
}
