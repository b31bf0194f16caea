//! `ablate score` on files: several metrics and systems, intervals and tests, and their errors.

mod common;

use common::Workshop;
use serde_json::Value;

/// Set S of the texts that sacreBLEU's own figures are quoted for, and a better system.
fn workshop() -> Workshop {
    let workshop = Workshop::new();
    workshop.write(
        "hyp",
        "The cat sat on the mat.\nA quick test: 3.14 is pi, isn't it?\n\
         He bought well-known state-of-the-art tools (e.g. saws) for $5.50.\nYes\n",
    );
    let reference = "The cat is on the mat.\nA quick test - 3.14 is pi, is it not?\n\
         He bought well-known, state-of-the-art tools, e.g. saws, for $5.50!\nYes indeed\n";
    workshop.write("ref", reference);
    workshop.write("better", &reference.replace("indeed", ""));
    workshop
}

fn json(workshop: &Workshop, arguments: &[&str]) -> Value {
    let arguments = [&["score", "--json"], arguments].concat();
    serde_json::from_str(&workshop.run(&arguments).expect(0).out()).unwrap()
}

#[test]
fn every_metric_has_its_score_and_signature() {
    let workshop = workshop();
    let files = ["--hyp", "hyp", "--ref", "ref"];
    let scores = json(&workshop, &[&files[..], &["--metric", "bleu,chrf,ter"]].concat());
    for (name, score, start) in [
        ("bleu", 37.374504, "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:ablate-"),
        ("chrf", 71.212833, "nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:ablate-"),
        ("ter", 44.444444, "nrefs:1|case:lc|tok:tercom|norm:no|punct:yes|asian:no|version:ablate-"),
    ] {
        assert!((scores[name]["score"].as_f64().unwrap() - score).abs() < 1e-6, "{scores}");
        assert!(scores[name]["signature"].as_str().unwrap().starts_with(start), "{scores}");
    }
    for (options, name, score) in [
        (&["--tokenize", "intl"][..], "bleu", 51.327767),
        (&["--tokenize", "char"], "bleu", 76.445865),
        (&["--tokenize", "zh", "--smooth", "floor=0.5"], "bleu", 35.673038),
        (&["--metric", "chrf", "--chrf-word-order", "2"], "chrf", 68.351369),
        (&["--metric", "multi-bleu"], "multi-bleu", 0.0),
    ] {
        let scores = json(&workshop, &[&files[..], options].concat());
        assert!((scores[name]["score"].as_f64().unwrap() - score).abs() < 1e-6, "{scores}");
    }
    let text = workshop
        .run(&["score", "--hyp", "hyp", "--ref", "ref", "--metric", "ter", "--short"])
        .expect(0)
        .out();
    assert!(text.starts_with("TER = 44.44\n#:1|c:lc|t:tercom|nr:no|pn:yes|as:no|v:ablate-"), "{text}");
}

#[test]
fn the_paper_s_bleu_is_counted_on_moses_s_tokens() {
    let workshop = workshop();
    workshop.write("raw-hyp", "Der „See-Ufer“-Weg ist, z.B., gut gemacht.\nEin Haus steht am See-Ufer.\n");
    workshop.write("raw-ref", "Der \"See-Ufer\"-Weg ist, z.B., gut gemacht!\nEin Haus steht am See-Ufer.\n");
    for name in ["hyp", "ref"] {
        let tokenize = |input: &[u8]| {
            workshop.run_with_input(&["moses", "tokenize", "-l", "de"], input).expect(0).0.stdout
        };
        let normalize = ["moses", "normalize", "-l", "de"];
        let normal = workshop.run_with_input(&normalize, &workshop.read(format!("raw-{name}"))).expect(0);
        let tokens = String::from_utf8(tokenize(&normal.0.stdout)).unwrap();
        workshop.write(&format!("tokens-{name}"), &tokens);
    }
    let raw = ["--hyp", "raw-hyp", "--ref", "raw-ref", "--tokenize", "moses", "--language", "de"];
    let given = ["--hyp", "tokens-hyp", "--ref", "tokens-ref"];
    for (metric, split) in [("multi-bleu", "no"), ("atat", "atat")] {
        let ours = &json(&workshop, &[&raw[..], &["--metric", metric]].concat())[metric];
        let by_hand = &json(&workshop, &[&given[..], &["--metric", metric]].concat())[metric];
        assert_eq!(ours["score"], by_hand["score"]);
        assert!(ours["score"].as_f64().unwrap() > 50.0, "{ours}");
        let signature = format!("case:mixed|norm:punct|tok:moses-de|split:{split}|smooth:none|");
        assert!(ours["signature"].as_str().unwrap().contains(&signature), "{ours}");
        let plain = [&raw[..], &["--metric", metric, "--normalize", "none"]].concat();
        let plain = &json(&workshop, &plain)[metric];
        assert_ne!(plain["score"], ours["score"]);
        assert!(plain["signature"].as_str().unwrap().contains("|norm:none|"), "{plain}");
    }
}

#[test]
fn sentences_are_scored_one_a_row() {
    let arguments = ["score", "--hyp", "hyp", "--ref", "ref", "--sentence-level", "--metric", "bleu,ter"];
    let table = workshop().run(&arguments).expect(0).out();
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!(rows.len(), 4, "{table}");
    assert!(rows[0].ends_with("\t16.67") && rows[3].ends_with("\t50.00"), "{table}");
}

#[test]
fn systems_are_compared_with_the_first() {
    let workshop = workshop();
    let files = ["--hyp", "hyp", "better", "--ref", "ref", "--metric", "bleu,chrf,ter"];
    for (test, mark, intervals) in
        [("--paired-bs", "|bs:200|seed:7|", true), ("--paired-ar", "|ar:200|seed:7|", false)]
    {
        let scores = json(&workshop, &[&files[..], &[test, "--resamples", "200", "--seed", "7"]].concat());
        let systems = scores["systems"].as_array().unwrap();
        assert_eq!((systems[0]["file"].as_str(), systems[1]["file"].as_str()), (Some("hyp"), Some("better")));
        for metric in ["bleu", "chrf", "ter"] {
            assert!(systems[0][metric]["p_value"].is_null(), "{scores}");
            let p = systems[1][metric]["p_value"].as_f64().unwrap();
            assert!(p > 0.0 && p < 1.0, "{scores}");
            assert!(systems[1][metric]["signature"].as_str().unwrap().contains(mark), "{scores}");
            assert_eq!(systems[1][metric]["confidence"].is_object(), intervals, "{scores}");
        }
    }
    let text = workshop.run(&["score", "--hyp", "hyp", "hyp", "--ref", "ref", "--paired-ar"]).expect(0).out();
    assert!(text.contains("hyp: BLEU = 37.37") && text.contains("the scores are equal"), "{text}");
}

#[test]
fn mistakes_are_named_and_nothing_is_scored() {
    let workshop = workshop();
    workshop.write("short", "one line\n");
    let files = ["score", "--hyp", "hyp", "--ref", "ref"];
    for (options, message) in [
        (&["--tokenize", "13b"][..], "13a, intl, zh, char, none"),
        (&["--tokenize", "moses", "--language", "de"], "score bleu in a call of its own"),
        (&["--metric", "atat", "--tokenize", "moses"], "add --language de"),
        (&["--metric", "atat", "--language", "de"], "--language is for --tokenize moses"),
        (&["--metric", "atat", "--tokenize", "moses", "--language", "xx"], "de, en, fr, ja, ru, zh"),
        (&["--metric", "atat", "--normalize", "punct"], "--language"),
        (&["--smooth", "floor=-1"], "from 0 upwards"),
        (&["--metric", "bleurt"], "bleu, chrf, ter, multi-bleu, atat"),
        (&["--metric", "chrf", "--chrf-word-order", "9"], "word order 9"),
        (&["--paired-bs"], "two files"),
        (&["--resamples", "0"], "--resamples"),
        (&["--sentence-level", "--confidence"], "--confidence"),
        (&["--paired-bs", "--paired-ar"], "--paired-ar"),
        (&["--hyp", "hyp", "--sentence-level"], "one system"),
        (&["--hyp", "short"], "short: hypotheses and reference 1 of 1 differ"),
    ] {
        let outcome = workshop.run(&[&files[..], options].concat()).expect(2);
        assert!(outcome.err().contains(message), "{options:?}: {}", outcome.err());
        assert_eq!(outcome.out(), "");
    }
    workshop.run(&["score", "results/run", "--tokenize", "intl"]).expect(2).says("cannot be used with");
}
