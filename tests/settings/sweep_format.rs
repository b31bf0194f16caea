//! Every form of a sweep file, and its rows.

use crate::common::folder::Folder;
use ablate::sweep::expand::expand;
use ablate::sweep::spec::SweepSpec;
use ablate::sweep::trial::Trial;

const SWEEP: &str = "base = \"base.toml\"\nseeds = [1]\n";

fn trials(text: &str) -> Vec<Trial> {
    Folder::sweep(&format!("{SWEEP}{text}")).1.unwrap_or_else(|error| panic!("{error}"))
}

/// Returns rows as `label: key = value, …`.
fn rows(text: &str) -> Vec<String> {
    shown(&trials(text))
}

fn shown(trials: &[Trial]) -> Vec<String> {
    let row = |trial: &Trial| {
        let changes: Vec<String> =
            trial.changes.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        format!("{}: {}", trial.row, changes.join(", "))
    };
    trials.iter().map(row).collect()
}

fn labels(text: &str) -> Vec<String> {
    trials(text).into_iter().map(|trial| trial.row).collect()
}

#[test]
fn a_sweep_of_nothing_is_its_base() {
    assert_eq!(rows(""), ["base: "]);
}

#[test]
fn rows_are_named_sets() {
    let text = "set = { \"training.steps\" = 7 }\n[[row]]\nlabel = \"a\"\n[[row]]\nlabel = \"b\"\ngroup = \"G\"\nset = { model.layers = 2, \"training.steps\" = 8 }";
    assert_eq!(rows(text), ["a: ", "b: model.layers = 2, training.steps = 8"]);
    let trials = trials(text);
    let steps: Vec<u64> = trials.iter().map(|trial| trial.experiment.training.steps).collect();
    assert_eq!(steps, [7, 8]);
    assert_eq!(trials[1].group.as_deref(), Some("G"));
}

#[test]
fn a_published_row_stands_beside_the_row_that_is_as_it_states_it_alone() {
    let papers = |text: &str| -> Vec<(String, Option<String>)> {
        let text =
            format!("[table]\npaper = \"table3\"\n[[row]]\nlabel = \"base\"\npaper = \"base\"\n{text}");
        trials(&text).into_iter().map(|trial| (trial.system, trial.paper)).collect()
    };
    let (own, none) = (Some("base".to_string()), None::<String>);
    assert_eq!(papers(""), [("base".into(), own.clone())]);
    assert_eq!(
        papers("[axes]\n\"model.position\" = [\"sinusoidal\", \"none\"]\n"),
        [("base,position=sinusoidal".into(), own.clone()), ("base,position=none".into(), none.clone())]
    );
    // A stated default is the row's own value, and so is a point that changes nothing.
    assert_eq!(
        papers(
            "[[point]]\nlabel = \"as-it-is\"\n[[point]]\nlabel = \"wide\"\nset = { \"model.d_ff\" = 64 }\n"
        ),
        [("base,as-it-is".into(), own), ("base,wide".into(), none)]
    );
}

#[test]
fn keys_of_a_section_inside_of_a_section_are_settings_as_others_are() {
    let text = "[axes]\n\"model.attention.score\" = [\"dot\", \"additive\"]\nmodel.attention.span = [\"full\", { local = 8 }]\n";
    assert_eq!(
        labels(text),
        [
            "score=dot,span=full",
            "score=dot,span=local.8",
            "score=additive,span=full",
            "score=additive,span=local.8"
        ]
    );
    // A section is a key, too, in the short form of an axis and in the long one.
    let values = "[{ score = \"dot\" }, { score = \"additive\" }]";
    let short = rows(&format!("[axes]\n\"model.attention\" = {values}\n"));
    assert_eq!(rows(&format!("[axes]\n\"model.attention\" = {{ values = {values} }}\n")), short);
    assert_eq!(short.len(), 2);
    let text = "[[row]]\nlabel = \"a\"\nset = { \"model.attention.score\" = \"dot\" }\n\
                [[row]]\nlabel = \"b\"\nset = { model.attention.score = \"additive\", model.layers = 2 }\n\
                [[row]]\nlabel = \"c\"\nset = { \"model.attention\" = { score = \"multiplicative\" } }\n";
    assert_eq!(
        rows(text),
        [
            "a: model.attention.score = \"dot\"",
            "b: model.attention.score = \"additive\", model.layers = 2",
            "c: model.attention.score = \"multiplicative\""
        ]
    );
    let text = "[axes]\n\"model.attention.score\" = [\"dot\", \"additive\"]\n\
                [[exclude]]\nmodel.attention.score = \"dot\"\n\"model.layers\" = 3\n[axes.model]\nlayers = [2, 3]\n";
    assert_eq!(labels(text).len(), 3, "{:?}", labels(text));
    // A nested key is one setting: stated twice, whatever the form, is a mistake.
    let twice = "[[row]]\nlabel = \"x\"\nset = { \"model.attention.score\" = \"dot\", model.attention = { score = \"dot\" } }\n";
    let error = Folder::sweep(&format!("{SWEEP}{twice}")).1.unwrap_err().to_string();
    assert!(error.contains("states model.attention.score twice"), "{error}");
}

#[test]
fn axes_multiply_rows_and_name_them() {
    let (_folder, trials) = Folder::sweep(
        "base = \"base.toml\"\nseeds = [1, 2]\nset = { \"training.steps\" = 5 }\n[[row]]\nlabel = \"a\"\n[[row]]\nlabel = \"b\"\nset = { model.layers = 2 }\n\
         [axes]\n\"model.position\" = [\"learned\", \"none\"]\ndecoding.beam = [1]\n",
    );
    let trials = trials.unwrap();
    let named: Vec<(&str, u64)> = trials.iter().map(|trial| (trial.row.as_str(), trial.seed)).collect();
    assert_eq!(
        named,
        [
            ("a,position=learned,beam=1", 1),
            ("a,position=learned,beam=1", 2),
            ("a,position=none,beam=1", 1),
            ("a,position=none,beam=1", 2),
            ("b,position=learned,beam=1", 1),
            ("b,position=learned,beam=1", 2),
            ("b,position=none,beam=1", 1),
            ("b,position=none,beam=1", 2),
        ]
    );
    let last = &trials[7];
    let changes = [("model.layers", "2"), ("model.position", "\"none\""), ("decoding.beam", "1")];
    assert_eq!(last.changes, changes.map(|(key, value)| (key.to_string(), value.to_string())));
    assert_eq!((last.experiment.training.seed, last.experiment.training.steps), (2, 5));
    assert_eq!((last.experiment.model.layers, last.experiment.decoding.beam), (2, 1));
    assert_eq!(last.experiment.label.as_deref(), Some("b,position=none,beam=1"));
}

#[test]
fn keys_with_one_last_part_are_written_out_in_labels() {
    let text = "[axes]\n\"training.batch_tokens\" = [9000]\n\"decoding.batch_tokens\" = [10, 20]\n\"model.layers\" = [2]";
    assert_eq!(
        labels(text),
        [
            "training.batch_tokens=9000,decoding.batch_tokens=10,layers=2",
            "training.batch_tokens=9000,decoding.batch_tokens=20,layers=2",
        ]
    );
}

#[test]
fn a_zip_advances_its_keys_together_and_several_multiply() {
    let text = "[[zip]]\n\"model.d_model\" = [128, 256]\n\"model.d_k\" = [16, 32]\n\"model.d_v\" = [16, 32]\nlabels = [\"narrow\", \"wide\"]\n\
        [[zip]]\n\"model.layers\" = [2, 4]\n\"training.steps\" = [10, 20]\n";
    assert_eq!(
        rows(text),
        [
            "narrow,layers=2,steps=10: model.d_model = 128, model.d_k = 16, model.d_v = 16, model.layers = 2, training.steps = 10",
            "narrow,layers=4,steps=20: model.d_model = 128, model.d_k = 16, model.d_v = 16, model.layers = 4, training.steps = 20",
            "wide,layers=2,steps=10: model.d_model = 256, model.d_k = 32, model.d_v = 32, model.layers = 2, training.steps = 10",
            "wide,layers=4,steps=20: model.d_model = 256, model.d_k = 32, model.d_v = 32, model.layers = 4, training.steps = 20",
        ]
    );
}

#[test]
fn points_are_alternatives_for_every_row() {
    let text = "[[row]]\nlabel = \"a\"\n[[row]]\nlabel = \"b\"\nset = { \"model.layers\" = 2 }\n\
        [[point]]\nlabel = \"plain\"\n[[point]]\nset = { \"model.heads\" = 4, \"model.d_k\" = 16 }\n";
    assert_eq!(
        rows(text),
        [
            "a,plain: ",
            "a,heads=4,d_k=16: model.heads = 4, model.d_k = 16",
            "b,plain: model.layers = 2",
            "b,heads=4,d_k=16: model.layers = 2, model.heads = 4, model.d_k = 16",
        ]
    );
}

const RANDOM: &str = "[random]\nseed = 3\ncount = 4\n\"model.dropout\" = { uniform = [0.0, 0.3] }\n\
    \"training.learning_rate_scale\" = { log_uniform = [0.1, 10.0] }\n\
    \"model.layers\" = { integer = [1, 6] }\n\"model.norm\" = { choice = [\"pre\", \"post\"] }\n";

#[test]
fn draws_are_the_same_on_every_machine() {
    assert_eq!(
        rows(RANDOM),
        [
            "draw-001: model.dropout = 0.231836, training.learning_rate_scale = 1.77103, model.layers = 5, model.norm = \"pre\"",
            "draw-002: model.dropout = 0.152987, training.learning_rate_scale = 6.51128, model.layers = 2, model.norm = \"pre\"",
            "draw-003: model.dropout = 0.009655, training.learning_rate_scale = 0.203106, model.layers = 3, model.norm = \"post\"",
            "draw-004: model.dropout = 0.041305, training.learning_rate_scale = 0.412117, model.layers = 2, model.norm = \"post\"",
        ]
    );
}

#[test]
fn a_higher_count_keeps_the_draws() {
    let few = rows(RANDOM);
    let many = rows(&RANDOM.replace("count = 4", "count = 1200"));
    assert_eq!(many.len(), 1200);
    assert_eq!(many[..4], few);
    assert!(many[1199].starts_with("draw-1200: "), "{}", many[1199]);
}

#[test]
fn another_key_or_another_order_changes_no_draw() {
    let dropouts = |text: &str| -> Vec<f64> {
        trials(text).iter().map(|trial| trial.experiment.model.dropout).collect()
    };
    let alone = "[random]\nseed = 3\ncount = 4\n\"model.dropout\" = { uniform = [0.0, 0.3] }\n";
    let last = format!(
        "[random]\nseed = 3\ncount = 4\n\"training.steps\" = {{ integer = [1, 9000] }}\n{}",
        "\"model.dropout\" = { uniform = [0.0, 0.3] }\n"
    );
    assert_eq!(dropouts(alone), dropouts(RANDOM));
    assert_eq!(dropouts(alone), dropouts(&last));
    assert_ne!(dropouts(alone), dropouts(&alone.replace("seed = 3", "seed = 4")));
}

#[test]
fn draws_keep_to_their_bounds_and_use_all_of_the_range() {
    let trials = trials(&RANDOM.replace("count = 4", "count = 500"));
    let column = |value: fn(&Trial) -> f64| {
        let mut values: Vec<f64> = trials.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        values
    };
    let dropout = column(|trial| trial.experiment.model.dropout);
    assert!(dropout[0] >= 0.0 && dropout[499] <= 0.3, "{} {}", dropout[0], dropout[499]);
    // Quartiles of 500 draws lie within 4 standard errors (0.3 * 4 * sqrt(0.1875 / 500)) of those of the distribution.
    for (quarter, expected) in [(125, 0.075), (250, 0.15), (375, 0.225)] {
        assert!((dropout[quarter] - expected).abs() < 0.03, "{quarter}: {}", dropout[quarter]);
    }
    let rate = column(|trial| trial.experiment.training.learning_rate_scale.log10());
    assert!(rate[0] >= -1.0 && rate[499] <= 1.0, "{} {}", rate[0], rate[499]);
    for (quarter, expected) in [(125, -0.5), (250, 0.0), (375, 0.5)] {
        assert!((rate[quarter] - expected).abs() < 0.2, "{quarter}: {}", rate[quarter]);
    }
    let layers = column(|trial| trial.experiment.model.layers as f64);
    for layer in 1..=6 {
        let share = layers.iter().filter(|&&value| value == f64::from(layer)).count();
        assert!((50..120).contains(&share), "{layer} layers: {share} of 500");
    }
}

#[test]
fn draws_multiply_rows_and_pair_them() {
    let text = "[[row]]\nlabel = \"a\"\n[[row]]\nlabel = \"b\"\nset = { \"model.layers\" = 2 }\n\
        [random]\nseed = 1\ncount = 2\n\"model.dropout\" = { uniform = [0.0, 0.3] }\n";
    assert_eq!(labels(text), ["a,draw-001", "a,draw-002", "b,draw-001", "b,draw-002"]);
    let dropout: Vec<f64> = trials(text).iter().map(|trial| trial.experiment.model.dropout).collect();
    assert_eq!(dropout[..2], dropout[2..]);
    assert_ne!(dropout[0], dropout[1]);
}

#[test]
fn a_factor_applies_where_its_condition_holds_and_is_left_out_elsewhere() {
    let text = "[axes]\n\"model.position\" = [\"sinusoidal\", \"learned\"]\n\
        \"model.learned_positions\" = { values = [400, 500], when = { \"model.position\" = \"learned\" } }\n\
        [[zip]]\nwhen = { \"model.position\" = \"sinusoidal\" }\n\"model.heads\" = [4, 2]\n\"model.layers\" = [4, 2]\n";
    assert_eq!(
        labels(text),
        [
            "position=sinusoidal,heads=4,layers=4",
            "position=sinusoidal,heads=2,layers=2",
            "position=learned,learned_positions=400",
            "position=learned,learned_positions=500",
        ]
    );
}

#[test]
fn a_draw_may_hang_on_another() {
    let text = "[random]\nseed = 1\ncount = 30\n\"model.position\" = { choice = [\"sinusoidal\", \"learned\"] }\n\
        \"model.dropout\" = { uniform = [0.0, 0.3] }\n\
        \"model.learned_positions\" = { integer = [400, 500], when = { \"model.position\" = \"learned\" } }\n";
    let trials = trials(text);
    let learned = |trial: &&Trial| trial.changes[0].1 == "\"learned\"";
    assert!((5..26).contains(&trials.iter().filter(learned).count()));
    for trial in &trials {
        assert_eq!(trial.changes.len(), if learned(&trial) { 3 } else { 2 }, "{trial:?}");
    }
}

#[test]
fn conditions_compare_resolved_values() {
    let axis = |condition: &str| {
        labels(&format!(
            "set = {{ \"model.norm\" = \"pre\", \"model.dropout\" = 0.0 }}\n[axes]\n\"model.d_k\" = [64, 32]\n\
            \"model.layers\" = {{ values = [2], when = {{ {condition} }} }}"
        ))
    };
    // Stated by the base file; by `set`, as another kind of number; an axis value that equals d_model / heads.
    assert_eq!(axis("\"data.merges\" = 10"), ["d_k=64,layers=2", "d_k=32,layers=2"]);
    assert_eq!(
        axis("\"model.norm\" = \"pre\", \"model.dropout\" = 0"),
        ["d_k=64,layers=2", "d_k=32,layers=2"]
    );
    assert_eq!(axis("model.d_k = 64"), ["d_k=64,layers=2", "d_k=32"]);
    assert_eq!(axis("\"model.d_k\" = [16, 32]"), ["d_k=64", "d_k=32,layers=2"]);
}

#[test]
fn a_row_with_a_condition_takes_part_where_it_holds() {
    let text = "[[row]]\nlabel = \"base\"\n[[row]]\nlabel = \"no-warmup\"\nset = { \"training.warmup_steps\" = 1 }\nwhen = { \"model.norm\" = \"pre\" }\n\
        [axes]\n\"model.norm\" = [\"post\", \"pre\"]\n";
    assert_eq!(labels(text), ["base,norm=post", "base,norm=pre", "no-warmup,norm=pre"]);
}

#[test]
fn exclusions_drop_combinations_even_impossible_ones() {
    let text = "[axes]\n\"model.heads\" = [3, 4, 8]\n\"model.layers\" = [2, 4]\n\
        [[exclude]]\n\"model.heads\" = 3\n[[exclude]]\n\"model.heads\" = [4, 8]\nmodel.layers = 4\n";
    assert_eq!(labels(text), ["heads=4,layers=2", "heads=8,layers=2"]);
}

#[test]
fn sections_have_their_own_factors_seeds_and_groups() {
    let (_folder, trials) = Folder::sweep(
        "base = \"base.toml\"\nseeds = [1, 2]\nset = { \"training.steps\" = 5 }\n\
         [[row]]\nlabel = \"base\"\n\
         [[section]]\nlabel = \"A\"\n[section.axes]\n\"model.heads\" = [1, 4]\n\
         [[section]]\nlabel = \"size\"\ngroup = \"C\"\nseeds = [7]\nset = { \"model.tying\" = \"none\" }\n\
         [[section.row]]\nlabel = \"small\"\nset = { \"model.layers\" = 2 }\n[[section.row]]\nlabel = \"tied\"\ngroup = \"D\"\nset = { \"model.tying\" = \"decoder\" }\n\
         [[section]]\nlabel = \"big\"\nset = { \"model.layers\" = 9 }\n",
    );
    let trials = trials.unwrap();
    let summary: Vec<String> = trials
        .iter()
        .map(|trial| format!("{} {} {}", trial.row, trial.seed, trial.group.as_deref().unwrap_or("-")))
        .collect();
    assert_eq!(
        summary,
        [
            "base 1 -",
            "base 2 -",
            "A,heads=1 1 A",
            "A,heads=1 2 A",
            "A,heads=4 1 A",
            "A,heads=4 2 A",
            "size,small 7 C",
            "size,tied 7 D",
            "big 1 big",
            "big 2 big",
        ]
    );
    assert!(trials.iter().all(|trial| trial.experiment.training.steps == 5));
    assert_eq!(
        shown(&trials[6..8]),
        ["size,small: model.tying = \"none\", model.layers = 2", "size,tied: model.tying = \"decoder\"",]
    );
}

#[test]
fn everything_multiplies_in_the_order_of_the_file() {
    let text = "[[row]]\nlabel = \"r\"\n[random]\nseed = 1\ncount = 1\n\"model.dropout\" = { uniform = [0.1, 0.2] }\n\
        [[point]]\nlabel = \"p\"\nset = { \"model.norm\" = \"pre\" }\n[axes]\n\"model.layers\" = [2, 3]\n[[zip]]\n\"model.heads\" = [4]\n\
        [[exclude]]\n\"model.layers\" = 3\n";
    assert_eq!(labels(text), ["r,draw-001,p,layers=2,heads=4"]);
}

#[test]
fn included_files_bring_rows_and_sections() {
    let folder = Folder::with(&[
        (
            "parts/a.toml",
            "include = [\"more/b.toml\"]\n[[row]]\nlabel = \"from-a\"\nset = { \"model.layers\" = 2 }\n[[section]]\nlabel = \"A\"\n[section.axes]\n\"model.heads\" = [1]\n",
        ),
        (
            "parts/more/b.toml",
            "[[row]]\nlabel = \"from-b\"\nset = { \"model.layers\" = 3 }\n[[section]]\nlabel = \"B\"\nseeds = [5]\nset = { \"data.recipe\" = \"other.toml\" }\n",
        ),
        (
            "parts/more/other.toml",
            "name = \"other\"\nsource_language = \"en\"\ntarget_language = \"de\"\n[corpus.generated]\ntrain = 8\ndev = 2\ntest = 2\nseed = 2\n",
        ),
        (
            "s.toml",
            "base = \"base.toml\"\nseeds = [3]\ninclude = [\"parts/a.toml\"]\n[[row]]\nlabel = \"own\"\n[[section]]\nlabel = \"Z\"\nset = { \"model.layers\" = 4 }\n[axes]\n\"model.norm\" = [\"pre\"]\n",
        ),
    ]);
    let trials = expand(&SweepSpec::load(&folder.path("s.toml")).unwrap(), &[]).unwrap();
    let named: Vec<(&str, u64)> = trials.iter().map(|trial| (trial.row.as_str(), trial.seed)).collect();
    assert_eq!(
        named,
        [
            ("own,norm=pre", 3),
            ("from-a,norm=pre", 3),
            ("from-b,norm=pre", 3),
            ("Z", 3),
            ("A,heads=1", 3),
            ("B", 5)
        ]
    );
    // A path in an included file is relative to that file.
    assert_eq!(trials[5].experiment.data.recipe.name, "other");
}

#[test]
fn set_arguments_hold_before_conditions_are_looked_at() {
    let folder = Folder::with(&[(
        "s.toml",
        &format!(
            "{SWEEP}set = {{ \"model.norm\" = \"post\" }}\n[axes]\n\"model.layers\" = {{ values = [2, 3], when = {{ \"model.norm\" = \"pre\" }} }}"
        ),
    )]);
    let spec = SweepSpec::load(&folder.path("s.toml")).unwrap();
    let trials = expand(&spec, &["model.norm=pre".to_string()]).unwrap();
    assert_eq!(shown(&trials), ["layers=2: model.layers = 2", "layers=3: model.layers = 3"]);
    assert!(expand(&spec, &[]).is_err());
}
