//! Greedy and beam search compared with full forward passes, on tiny models: in float64 by libtorch's operations, and
//! in float32 by the kernels that decode on a CPU.

use crate::common::gaps::{self, Largest};
use crate::common::long;
use crate::common::variants::convolutional;
use ablate::decode::search::Hypothesis;
use ablate::decode::translate::translate;
use ablate::decode::{
    DecodingConfig,
    LengthPenaltyForm::{self, Gnmt, Power},
};
use ablate::model::mode::Mode;
use ablate::model::recurrent::Cell;
use ablate::model::{
    DecoderKind, EncoderDecoder, EncoderKind, ModelConfig, Network, Norm, Position, RecurrentConfig, Tying,
};
use ablate::shim::decoding as kernels;
use ablate::signal::StopFlag;
use tch::{Device, Kind, Tensor};

const PAD: u32 = 0;
const BOS: u32 = 1;
const EOS: u32 = 2;

/// Number of ids that may be produced: `</s>` and four ordinary tokens, beside padding and `<s>`.
const VOCABULARY: usize = 7;
/// Number of rows of the softmax: two more than there are ids.
const ROWS: i64 = 9;

fn configs() -> [ModelConfig; 7] {
    let tied = ModelConfig {
        layers: 1,
        d_model: 8,
        d_ff: 12,
        heads: 2,
        learned_positions: 40,
        embedding_rows: Some(ROWS),
        ..Default::default()
    };
    let untied = ModelConfig { tying: Tying::None, layers: 2, ..tied.clone() };
    [
        ModelConfig { norm: Norm::Pre, position: Position::Learned, ..untied.clone() },
        ModelConfig { position: Position::None, d_k: Some(3), d_v: Some(5), ..tied.clone() },
        tied,
        untied.clone(),
        ModelConfig {
            encoder: EncoderKind::Recurrent,
            decoder: DecoderKind::Recurrent,
            recurrent: RecurrentConfig { hidden: 6, cell: Cell::Lstm, ..Default::default() },
            ..untied.clone()
        },
        convolutional(&untied),
        ModelConfig { decoder: DecoderKind::SelfAttention, ..convolutional(&untied) },
    ]
}

fn build(config: &ModelConfig, seed: u64) -> EncoderDecoder {
    build_in(Kind::Double, config, seed)
}

fn build_in(kind: Kind, config: &ModelConfig, seed: u64) -> EncoderDecoder {
    tch::set_num_threads(1);
    let model = EncoderDecoder::build(config, VOCABULARY, seed, kind, Device::Cpu);
    // Sharper softmax than with fresh weights, so that hypotheses differ by more than rounding.
    tch::no_grad(|| {
        let mut softmax = model.softmax_matrix().shallow_clone();
        softmax *= 2.0;
    });
    model
}

/// Returns models of every configuration with several seeds, in float64 and in float32.
fn models() -> impl Iterator<Item = (String, EncoderDecoder)> {
    [Kind::Double, Kind::Float].into_iter().flat_map(|kind| {
        assert_eq!(kernels::takes(kind, Device::Cpu), kind == Kind::Float);
        configs().into_iter().enumerate().flat_map(move |(number, config)| {
            (1..=3).map(move |seed| {
                let name = format!("configuration {number}, seed {seed}, {kind:?}");
                (name, build_in(kind, &config, seed))
            })
        })
    })
}

/// Returns the same models without those in float32 of further seeds, which belong to the long suite.
fn fewer_models() -> impl Iterator<Item = (String, EncoderDecoder)> {
    models().filter(|(name, model)| long() || model.kind() == Kind::Double || name.contains("seed 1,"))
}

/// Returns the largest difference of equal scores that are computed in another order.
fn rounding(model: &EncoderDecoder) -> f64 {
    if model.kind() == Kind::Double { 1e-12 } else { 2e-5 }
}

fn decoding(beam: usize, length_penalty: f64, max_extra_length: usize) -> DecodingConfig {
    DecodingConfig { beam, length_penalty, max_extra_length, ..Default::default() }
}

fn run(
    model: &EncoderDecoder,
    config: &DecodingConfig,
    sources: &[Vec<u32>],
    n_best: usize,
) -> Vec<Vec<Hypothesis>> {
    translate(model, config, VOCABULARY, sources, n_best, &StopFlag::never(), &mut |_| ()).unwrap()
}

fn row(ids: &[u32]) -> Tensor {
    Tensor::from_slice(&ids.iter().map(|&t| i64::from(t)).collect::<Vec<_>>()).unsqueeze(0)
}

/// Returns log-probabilities of every row of the softmax after each prefix of `tokens`, by one full pass.
fn log_probabilities(model: &EncoderDecoder, source: &[u32], tokens: &[u32]) -> Vec<Vec<f64>> {
    tch::no_grad(|| {
        let encoded =
            model.encode(&row(&[source, &[EOS]].concat()), &[source.len() as i64 + 1], &Mode::evaluation());
        let hidden = model.decode(&row(&[&[BOS], tokens].concat()), &encoded, &Mode::evaluation());
        let log_p = model.logits(&hidden).log_softmax(-1, None).squeeze_dim(0);
        (0..=tokens.len() as i64)
            .map(|i| Vec::try_from(log_p.get(i).to_kind(Kind::Double)).unwrap())
            .collect()
    })
}

/// Returns the log-probability of `tokens`, with `</s>` behind them if `ended`.
fn log_probability(model: &EncoderDecoder, source: &[u32], tokens: &[u32], ended: bool) -> f64 {
    let rows = log_probabilities(model, source, tokens);
    let end = ended.then_some(EOS);
    tokens.iter().copied().chain(end).zip(rows).map(|(token, row)| row[token as usize]).sum()
}

/// Returns ((5 + length) / 6)^alpha or length^alpha.
fn penalty(form: LengthPenaltyForm, length: usize, alpha: f64) -> f64 {
    match form {
        LengthPenaltyForm::Gnmt => ((5 + length) as f64 / 6.0).powf(alpha),
        LengthPenaltyForm::Power => (length as f64).powf(alpha),
    }
}

/// Returns all finished translations of at most `limit` tokens, `</s>` counted, with their log-probabilities.
fn enumerate(model: &EncoderDecoder, source: &[u32], limit: usize) -> Vec<(Vec<u32>, f64)> {
    let mut found = Vec::new();
    let mut prefixes: Vec<Vec<u32>> = vec![Vec::new()];
    for _ in 0..limit {
        for prefix in &prefixes {
            found.push((prefix.clone(), log_probability(model, source, prefix, true)));
        }
        let longer = |prefix: &Vec<u32>| {
            (EOS + 1..VOCABULARY as u32).map(move |t| [prefix.as_slice(), &[t]].concat()).collect::<Vec<_>>()
        };
        prefixes = prefixes.iter().flat_map(longer).collect();
    }
    found
}

/// Returns the translations of [`enumerate`] with their scores, best first. `penalty` takes a number of tokens.
fn ranked(found: &[(Vec<u32>, f64)], penalty: impl Fn(usize) -> f64) -> Vec<(Vec<u32>, f64)> {
    let score = |(tokens, total): &(Vec<u32>, f64)| (tokens.clone(), total / penalty(tokens.len() + 1));
    let mut ranked: Vec<_> = found.iter().map(score).collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    ranked
}

#[test]
fn a_wide_enough_beam_finds_what_enumeration_finds() {
    let source = vec![4, 6];
    let mut lengths = std::collections::BTreeSet::new();
    let seen = |what, tolerance| Largest::new(what, "enumeration of all translations", tolerance);
    let mut seen = [
        seen("scores of the best translations", 1e-12),
        seen("scores of the best translations, by the kernels in float32", 2e-5),
    ];
    for (name, model) in models() {
        let found = enumerate(&model, &source, 4);
        assert_eq!(found.len(), 1 + 4 + 16 + 64);
        // A search for few hypotheses may end earlier, which depends on the weight of the length.
        let (few, all): (&[usize], &[usize]) = (&[1, 5, 64], &[64]);
        for (length_penalty_form, alpha, numbers) in
            [(Gnmt, 0.0, few), (Gnmt, 0.6, all), (Gnmt, 2.0, few), (Power, 0.6, all), (Power, 2.0, all)]
        {
            let all = ranked(&found, |length| penalty(length_penalty_form, length, alpha));
            lengths.insert(all[0].0.len());
            // The last step has 64 · 5 candidates; a step looks at twice the beam.
            let config = DecodingConfig { length_penalty_form, ..decoding(160, alpha, 2) };
            for &n_best in numbers {
                let found = run(&model, &config, std::slice::from_ref(&source), n_best).remove(0);
                assert_eq!(found.len(), n_best, "{name}, alpha {alpha}");
                for (place, (ours, (tokens, score))) in found.iter().zip(&all).enumerate() {
                    assert_eq!(ours.tokens, *tokens, "{name}, alpha {alpha}, place {place} of {n_best}");
                    let of = &mut seen[usize::from(model.kind() == Kind::Float)];
                    of.assert_near(ours.score, *score, &name);
                }
            }
        }
    }
    assert!(
        lengths.len() > 1,
        "every best translation has the same length, so nothing was compared: {lengths:?}"
    );
    gaps::report("search", &seen.map(|seen| seen.gap()));
}

#[test]
fn greedy_search_takes_the_best_token_each_time() {
    let sources = [vec![3], vec![5, 4, 6], vec![6, 6, 3, 4, 5]];
    for (name, model) in models() {
        let found = run(&model, &decoding(1, 0.6, 6), &sources, 1);
        for (source, found) in sources.iter().zip(&found) {
            let limit = source.len() + 6;
            let (mut tokens, mut total, mut ended) = (Vec::new(), 0.0, false);
            while !ended && tokens.len() < limit {
                let last = log_probabilities(&model, source, &tokens).pop().unwrap();
                let best = (EOS..VOCABULARY as u32)
                    .max_by(|&a, &b| last[a as usize].total_cmp(&last[b as usize]))
                    .unwrap();
                total += last[best as usize];
                match best {
                    EOS => ended = true,
                    token => tokens.push(token),
                }
            }
            let length = tokens.len() + usize::from(ended);
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].tokens, tokens, "{name}, {source:?}");
            assert!((found[0].log_probability - total).abs() < rounding(&model), "{name}");
            assert!((found[0].score - total / penalty(Gnmt, length, 0.6)).abs() < rounding(&model), "{name}");
        }
    }
}

const SOURCES: [&[u32]; 7] =
    [&[3], &[5, 4, 6], &[6, 6, 3, 4, 5], &[], &[4, 3, 3], &[3, 4, 5, 6, 3, 4, 5, 6], &[5, 5]];

fn sources() -> Vec<Vec<u32>> {
    SOURCES.iter().map(|source| source.to_vec()).collect()
}

#[test]
fn a_batch_gives_what_each_sentence_gives_alone_and_again() {
    for (name, model) in models() {
        for beam in [1, 2, 4, 9] {
            // With early stopping some sentences end in the first step, while others take up their rows.
            for (n_best, early_stopping) in [(1, false), (beam, false), (1, true)] {
                let config = DecodingConfig { early_stopping, ..decoding(beam, 0.6, 8) };
                let together = run(&model, &config, &sources(), n_best);
                if n_best == 1 && !early_stopping || beam == 4 {
                    assert_eq!(together, run(&model, &config, &sources(), n_best), "{name}, beam {beam}");
                }
                // One sentence per batch, and a few.
                for batch_tokens in [1, 12 * beam] {
                    let apart =
                        run(&model, &DecodingConfig { batch_tokens, ..config.clone() }, &sources(), n_best);
                    for ((source, together), apart) in sources().iter().zip(&together).zip(&apart) {
                        let tokens =
                            |found: &[Hypothesis]| found.iter().map(|h| h.tokens.clone()).collect::<Vec<_>>();
                        assert_eq!(tokens(together), tokens(apart), "{name}, beam {beam}, {source:?}");
                        for (a, b) in together.iter().zip(apart) {
                            assert!(
                                (a.score - b.score).abs() < rounding(&model),
                                "{name}, beam {beam}, {source:?}"
                            );
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn hypotheses_are_sorted_distinct_and_scored_as_full_passes_say() {
    for (name, model) in fewer_models() {
        for (beam, alpha, n_best) in [(2, 0.6, 2), (4, 0.6, 4), (4, 0.0, 3), (5, 1.5, 9)] {
            for (source, found) in
                sources().iter().zip(run(&model, &decoding(beam, alpha, 5), &sources(), n_best))
            {
                assert!(found.len() <= n_best.min(beam) && !found.is_empty(), "{name}: {}", found.len());
                if source.is_empty() {
                    continue;
                }
                let limit = source.len() + 5;
                assert!(found.is_sorted_by(|a, b| a.score >= b.score), "{name}: {found:?}");
                for (place, hypothesis) in found.iter().enumerate() {
                    assert!(
                        found[..place].iter().all(|h| h.tokens != hypothesis.tokens),
                        "{name}: {found:?}"
                    );
                    // A hypothesis that reached the limit is not ended.
                    let tokens = &hypothesis.tokens;
                    assert!(tokens.len() <= limit, "{name}");
                    let ended = tokens.len() < limit;
                    let expected = log_probability(&model, source, tokens, ended);
                    assert!(
                        (hypothesis.log_probability - expected).abs() < rounding(&model),
                        "{name}: {hypothesis:?}"
                    );
                    let score = expected / penalty(Gnmt, tokens.len() + usize::from(ended), alpha);
                    assert!((hypothesis.score - score).abs() < rounding(&model), "{name}: {hypothesis:?}");
                }
            }
        }
    }
}

/// Beam search that stops when `beam` hypotheses are finished, each of which was among the `beam` best of its step, with
/// a full pass for every prefix. Returns the tokens of the best one.
fn stopping_early(model: &EncoderDecoder, source: &[u32], beam: usize, alpha: f64, limit: usize) -> Vec<u32> {
    let mut open: Vec<(Vec<u32>, f64)> = vec![(Vec::new(), 0.0)];
    let mut finished: Vec<(Vec<u32>, f64)> = Vec::new();
    for length in 1..=limit {
        let mut candidates: Vec<(Vec<u32>, u32, f64)> = Vec::new();
        for (prefix, total) in &open {
            let next = log_probabilities(model, source, prefix).pop().unwrap();
            candidates
                .extend((EOS..VOCABULARY as u32).map(|t| (prefix.clone(), t, total + next[t as usize])));
        }
        candidates.sort_by(|a, b| b.2.total_cmp(&a.2));
        candidates.truncate(2 * beam);
        open.clear();
        for (rank, (prefix, token, total)) in candidates.into_iter().enumerate() {
            match token {
                EOS if rank >= beam => {}
                EOS => finished.push((prefix, total / penalty(Gnmt, length, alpha))),
                _ if open.len() < beam => open.push(([prefix, vec![token]].concat(), total)),
                _ => {}
            }
        }
        if finished.len() >= beam {
            break;
        }
    }
    if finished.is_empty() {
        return open.swap_remove(0).0;
    }
    finished.sort_by(|a, b| b.1.total_cmp(&a.1));
    finished.swap_remove(0).0
}

#[test]
fn early_stopping_takes_the_best_of_the_first_finished() {
    let mut differ = 0;
    for (name, model) in fewer_models() {
        for (beam, alpha) in [(2, 0.6), (3, 2.0), (4, 3.0)] {
            let config = DecodingConfig { early_stopping: true, ..decoding(beam, alpha, 6) };
            let stopped = run(&model, &config, &sources(), 1);
            let certain = run(&model, &decoding(beam, alpha, 6), &sources(), 1);
            for ((source, stopped), certain) in sources().iter().zip(stopped).zip(certain) {
                if !source.is_empty() {
                    let expected = stopping_early(&model, source, beam, alpha, source.len() + 6);
                    assert_eq!(stopped[0].tokens, expected, "{name}, beam {beam}, {source:?}");
                    differ += usize::from(stopped[0].tokens != certain[0].tokens);
                }
            }
        }
    }
    assert!(differ > 0, "no search was ended early");
}

#[test]
fn no_narrow_beam_ends_with_a_better_score_than_an_exhaustive_one() {
    let source = vec![5, 3];
    for (name, model) in models() {
        let best =
            |beam| run(&model, &decoding(beam, 0.6, 3), std::slice::from_ref(&source), 1).remove(0).remove(0);
        let exhaustive = best(640);
        for beam in [2, 3, 4, 8, 16] {
            let found = best(beam);
            // Five tokens are the limit: such a hypothesis is not ended, and no rival of ended ones.
            let ended = found.tokens.len() < 5;
            assert!(!ended || found.score <= exhaustive.score + rounding(&model), "{name}: beam {beam}");
        }
    }
}

/// A model that gives the tokens `wanted` high probabilities, and `shunned` low ones.
fn biased(wanted: &[u32], shunned: &[u32]) -> EncoderDecoder {
    let config = configs()[3].clone();
    let model = build(&config, 1);
    tch::no_grad(|| {
        let weight =
            |path: &str| model.weights().named().iter().find(|(p, _)| p == path).unwrap().1.shallow_clone();
        // Every hidden state is about (5, …, 5), so a row of ones scores 5 · d_model.
        let _ = weight("decoder.1.feed_forward.norm.offset").fill_(5.0);
        for token in wanted {
            let _ = weight("embedding.softmax.weight").get(i64::from(*token)).fill_(1.0);
        }
        for token in shunned {
            let _ = weight("embedding.softmax.weight").get(i64::from(*token)).fill_(-1.0);
        }
    });
    model
}

#[test]
fn padding_the_beginning_and_rows_beyond_the_vocabulary_are_never_said() {
    let model = biased(&[PAD, BOS, 7, 8], &[]);
    let probabilities = log_probabilities(&model, &[3], &[]).remove(0);
    assert!(probabilities[EOS as usize..VOCABULARY].iter().all(|p| *p < -5.0), "{probabilities:?}");
    for beam in [1, 2, 5, 20] {
        for (source, found) in sources().iter().zip(run(&model, &decoding(beam, 0.6, 9), &sources(), beam)) {
            for hypothesis in found {
                assert!(
                    hypothesis.tokens.iter().all(|t| (EOS + 1..VOCABULARY as u32).contains(t)),
                    "{hypothesis:?}"
                );
                // Excluded tokens keep their probability: the softmax runs over all rows.
                assert!(hypothesis.log_probability < -5.0 || source.is_empty(), "{hypothesis:?}");
            }
        }
    }
}

#[test]
fn ties_go_to_the_older_hypothesis_and_the_smaller_token() {
    // More tokens than any beam looks at, so that some of the equals are always left out.
    const TOKENS: usize = 60;
    let model = EncoderDecoder::build(
        &ModelConfig { embedding_rows: None, ..configs()[3].clone() },
        TOKENS,
        1,
        Kind::Double,
        Device::Cpu,
    );
    tch::no_grad(|| {
        let mut softmax = model.softmax_matrix().shallow_clone();
        let _ = softmax.zero_();
        // Every hidden state is about (5, …, 5), which the end's row turns away.
        let (_, offset) = model
            .weights()
            .named()
            .iter()
            .find(|(path, _)| path == "decoder.1.feed_forward.norm.offset")
            .unwrap();
        let _ = offset.shallow_clone().fill_(5.0);
        let _ = softmax.get(i64::from(EOS)).fill_(-1.0);
    });
    let found = |beam, n_best| {
        let config = decoding(beam, 0.0, 2);
        translate(&model, &config, TOKENS, &[vec![4]], n_best, &StopFlag::never(), &mut |_| ())
            .unwrap()
            .remove(0)
    };
    for beam in [1, 2, 3, 7, 20] {
        let found = found(beam, beam);
        let last = |place: usize| vec![EOS + 1, EOS + 1, EOS + 1 + place as u32];
        assert_eq!(found.len(), beam);
        for (place, hypothesis) in found.iter().enumerate() {
            assert_eq!(hypothesis.tokens, last(place), "beam {beam}, place {place}");
            assert_eq!(hypothesis.score, found[0].score);
        }
    }
}

#[test]
fn a_model_that_never_ends_is_stopped_at_the_limit() {
    let model = biased(&[4], &[EOS]);
    // A beam of 2 looks at 4 tokens a row, of which the end is none.
    for beam in [1, 2] {
        for (source, found) in sources().iter().zip(run(&model, &decoding(beam, 0.6, 4), &sources(), 1)) {
            let expected = if source.is_empty() { 0 } else { source.len() + 4 };
            assert_eq!(found[0].tokens, vec![4; expected], "beam {beam}");
        }
        let none = run(&model, &decoding(beam, 0.6, 0), &[vec![3]], 1);
        assert_eq!(none[0][0].tokens, [4], "beam {beam}: one token is always allowed");
    }
}

#[test]
fn a_model_that_ends_at_once_says_nothing() {
    let model = biased(&[EOS], &[]);
    for beam in [1, 4] {
        for found in run(&model, &decoding(beam, 0.6, 10), &sources(), 1) {
            assert_eq!(found[0].tokens, [0; 0]);
        }
    }
}

#[test]
fn an_empty_source_is_an_empty_translation_and_no_source_is_none() {
    let model = build(&configs()[0], 1);
    for beam in [1, 4] {
        let config = decoding(beam, 0.6, 5);
        assert!(run(&model, &config, &[], 1).is_empty());
        let empty = Hypothesis { tokens: Vec::new(), log_probability: 0.0, score: 0.0 };
        assert_eq!(run(&model, &config, &[vec![], vec![]], 1), [vec![empty.clone()], vec![empty]]);
    }
}

#[test]
fn learned_positions_bound_the_output_and_refuse_a_longer_source() {
    let config = ModelConfig { position: Position::Learned, learned_positions: 6, ..configs()[3].clone() };
    let model = build(&config, 1);
    for beam in [1, 4] {
        for found in run(&model, &decoding(beam, 0.6, 50), &[vec![3; 5], vec![4]], 1) {
            assert!(found[0].tokens.len() <= 6, "{found:?}");
        }
        let refused = translate(
            &model,
            &decoding(beam, 0.6, 50),
            VOCABULARY,
            &[vec![4], vec![3; 6]],
            1,
            &StopFlag::never(),
            &mut |_| (),
        );
        let error = refused.unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("sentence 2 has 6 tokens"), "{error}");
    }
}

#[test]
fn every_sentence_is_told_of_and_a_signal_is_heard() {
    let model = build(&configs()[2], 1);
    let config = DecodingConfig { batch_tokens: 24, ..decoding(2, 0.6, 3) };
    let mut told = Vec::new();
    let stop = StopFlag::never();
    translate(&model, &config, VOCABULARY, &sources(), 1, &stop, &mut |count| told.push(count)).unwrap();
    assert_eq!(told.iter().sum::<usize>(), SOURCES.len());
    assert!(told.len() > 2, "{told:?}");
    stop.raise();
    assert!(translate(&model, &config, VOCABULARY, &sources(), 1, &stop, &mut |_| ()).is_err());
}
