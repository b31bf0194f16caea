//! `ablate score` on files and runs: several metrics and systems, intervals and tests, and their errors.

use crate::common::Workshop;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use std::io::Write;

/// A workshop with set S of the texts that sacreBLEU's own figures are quoted for, and a better system.
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
    workshop.run(&arguments).expect(0).json()
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
        (&["--metric", "atat", "--language", "de"], "--metric multi-bleu or atat with --tokenize moses"),
        (&["--language", "de"], "--metric multi-bleu or atat with --tokenize moses"),
        (&["--metric", "atat", "--tokenize", "moses", "--language", "xx"], "de, en, fr, ja, ru, zh"),
        (&["--metric", "atat", "--normalize", "punct"], "--language"),
        (&["--metric", "chrf", "--tokenize", "zh"], "--tokenize is for --metric bleu"),
        (&["--ter-no-punct"], "--ter-no-punct is for --metric ter"),
        (&["--metric", "ter", "--lowercase"], "--metric bleu, multi-bleu or atat"),
        (&["--seed", "3"], "--confidence"),
        (&["--split", "dev"], "--split"),
        (&["--smooth", "floor=-1"], "from 0 upwards"),
        (&["--metric", "bleurt"], "bleu, chrf, ter, multi-bleu, atat"),
        (&["--metric", "chrf", "--chrf-word-order", "9"], "word order 9"),
        (&["--paired-bs"], "two files"),
        (&["--resamples", "0"], "--resamples"),
        (&["--sentence-level", "--confidence"], "--confidence"),
        (&["--paired-bs", "--paired-ar"], "--paired-ar"),
        (&["--hyp", "hyp", "--sentence-level"], "one system"),
        (&["--hyp", "short"], "short and ref differ in their number of lines, 1 and 4"),
    ] {
        let outcome = workshop.run(&[&files[..], options].concat()).expect(2);
        assert!(outcome.err().contains(message), "{options:?}: {}", outcome.err());
        assert_eq!(outcome.out(), "");
    }
}

#[test]
fn translations_and_references_ask_for_each_other() {
    let workshop = workshop();
    for (words, message) in [
        (&["--hyp", "hyp"][..], "--hyp needs references; add --ref FILE"),
        (&["--ref", "ref"], "--ref needs translations; add --hyp FILE"),
        (&["hyp", "--ref", "ref"], "--ref needs translations; add --hyp FILE"),
    ] {
        workshop.run(&[&["score"], words].concat()).expect(2).says(message);
    }
}

/// Compresses bytes with the default level of gzip.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn what_is_no_text_is_an_error_and_never_a_score() {
    let workshop = workshop();
    let packed = gzip(&workshop.read("hyp"));
    for (name, bytes) in [
        ("empty", b"".as_slice()),
        ("latin", b"a\nb\nschlie\xdflich\nd\n"),
        ("utf16", b"\xff\xfea\0\n\0b\0\n\0"),
        ("plain.gz", b"a\nb\nc\nd\n"),
        ("cut.gz", &packed[..packed.len() - 6]),
        (
            "flipped.gz",
            &[
                &packed[..packed.len() / 2],
                &[packed[packed.len() / 2] ^ 255],
                &packed[packed.len() / 2 + 1..],
            ]
            .concat(),
        ),
        ("latin.gz", &gzip(b"a\nb\xdf\nc\nd\n")),
        ("empty.gz", &gzip(b"")),
        ("bomb.gz", &gzip(&vec![b'\n'; (64 << 20) + 1])),
    ] {
        std::fs::write(workshop.path(name), bytes).unwrap();
    }
    std::fs::create_dir(workshop.path("folder")).unwrap();
    for (file, message) in [
        ("missing", "missing: there is no such file"),
        ("folder", "folder is a directory"),
        ("empty", "empty and ref differ in their number of lines, 0 and 4"),
        ("empty.gz", "empty.gz and ref differ in their number of lines, 0 and 4"),
        ("latin", "latin:3: byte 7 is not UTF-8"),
        ("utf16", "utf16:1: byte 1 is not UTF-8"),
        ("latin.gz", "latin.gz:2: byte 2 is not UTF-8"),
        ("plain.gz", "plain.gz: not a gzip file; a name ending in .gz must hold gzip data"),
        ("cut.gz", "cut.gz: the gzip data is damaged or ends too early"),
        ("flipped.gz", "flipped.gz: the gzip data is damaged or ends too early"),
        ("bomb.gz", "bomb.gz: it expands to more than 200 times its size"),
    ] {
        for metric in ["bleu,chrf,ter", "atat"] {
            let hypothesis = ["score", "--hyp", file, "--ref", "ref", "--metric", metric, "--json"];
            let outcome = workshop.run(&hypothesis).expect(2).says(message);
            assert_eq!(outcome.out(), "", "{file}");
        }
        // The file as the second of several references, and of several hypotheses.
        for files in [["--hyp", "hyp", "--ref", "ref", file], ["--hyp", "hyp", file, "--ref", "ref"]] {
            let outcome = workshop.run(&[&["score"], &files[..]].concat()).expect(2).says(message);
            assert_eq!(outcome.out(), "", "{file}");
        }
    }
    let both_empty = workshop.run(&["score", "--hyp", "empty", "--ref", "empty"]).expect(2).says("no line");
    assert_eq!(both_empty.out(), "");
}

#[test]
fn packed_files_and_standard_input_give_what_plain_files_give() {
    let workshop = workshop();
    let packed = gzip(&workshop.read("hyp"));
    std::fs::write(workshop.path("hyp.gz"), &packed).unwrap();
    let plain = workshop.run(&["score", "--hyp", "hyp", "--ref", "ref"]).expect(0).out();
    assert_eq!(workshop.run(&["score", "--hyp", "hyp.gz", "--ref", "ref"]).expect(0).out(), plain);
    for input in [workshop.read("hyp"), packed] {
        let piped = workshop.run_with_input(&["score", "--hyp", "-", "--ref", "ref"], &input).expect(0).out();
        assert_eq!(piped, plain);
    }
    let twice = workshop.run_with_input(&["score", "--hyp", "-", "--ref", "-"], b"a\n").expect(2);
    assert_eq!(twice.says("once only").out(), "");
    let wrong = workshop.run_with_input(&["score", "--hyp", "-", "--ref", "ref"], b"a\n\xff\n").expect(2);
    assert_eq!(wrong.says("standard input:2: byte 1 is not UTF-8").out(), "");
}

/// Two small runs, and the files of their translations and references.
#[test]
fn runs_are_scored_and_compared_as_files_are() {
    let workshop = Workshop::new();
    for seed in ["1", "2"] {
        workshop.run(&["train", "tiny.toml", "--set", &format!("training.seed={seed}")]).expect(0);
    }
    let runs = ["results/tiny/seed-1", "results/tiny/seed-2"];
    let data = workshop.data_folder();
    let translations = |split: &str| runs.map(|run| format!("{run}/hypotheses/{split}.txt"));
    let reference = |split: &str| data.join(format!("{split}.target.txt")).display().to_string();

    let everything = ["--metric", "bleu,chrf,ter,multi-bleu,atat", "--chrf-word-order", "2"];
    let moses = ["--metric", "multi-bleu,atat", "--tokenize", "moses", "--language", "de"];
    let tests = ["--paired-ar", "--resamples", "50"];
    let of_runs = json(&workshop, &[&runs[..], &everything, &tests].concat());
    for split in ["dev", "test"] {
        let [first, second] = translations(split);
        let reference = reference(split);
        let files = ["--hyp", &first, &second, "--ref", &reference];
        let sacre_bleu = ["--metric", "bleu,chrf,ter", "--chrf-word-order", "2"];
        let sacre_bleu = json(&workshop, &[&files[..], &sacre_bleu, &tests].concat());
        let moses = json(&workshop, &[&files[..], &moses, &tests].concat());
        for (number, run) in runs.into_iter().enumerate() {
            let ours = &of_runs[split]["systems"][number];
            assert_eq!(ours["run"], run);
            for metric in ["bleu", "chrf", "ter"] {
                assert!(ours[metric]["score"].is_f64(), "{of_runs}");
                assert_eq!(ours[metric], sacre_bleu["systems"][number][metric], "{split} {metric}");
            }
            for metric in ["multi-bleu", "atat"] {
                assert_eq!(ours[metric], moses["systems"][number][metric], "{split} {metric}");
            }
            assert_eq!(ours["ter"]["p_value"].is_f64(), number > 0, "{of_runs}");
        }
    }

    let text = workshop.run(&["score", runs[0], "--metric", "ter", "--split", "test"]).expect(0).out();
    assert!(text.starts_with("test: TER = ") && !text.contains("dev: "), "{text}");
    let sentences = ["score", runs[0], "--sentence-level"];
    workshop.run(&sentences).expect(2).says("--split dev or test");
    let table = workshop.run(&[&sentences[..], &["--split", "dev"]].concat()).expect(0).out();
    assert_eq!(table.lines().count(), 12, "{table}");
    let overview = workshop.run(&["score", runs[0]]).expect(0).out();
    for part in ["dev: BLEU = ", "test: BLEU = ", "test: multi-BLEU, compounds split = ", "test: perplexity "]
    {
        assert!(overview.contains(part), "{part}: {overview}");
    }

    for (words, message) in [
        (&[runs[0], "--hyp", "tiny.toml", "--ref", "tiny.toml"][..], "cannot be used with"),
        (&[runs[0], "--paired-bs"], "name two runs"),
        (&[runs[0], "--split", "train"], "dev and test"),
        (&[runs[0], runs[1], "--sentence-level"], "one system"),
    ] {
        let outcome = workshop.run(&[&["score"], words].concat()).expect(2).says(message);
        assert_eq!(outcome.out(), "");
    }
    // A run on other sentences cannot be compared.
    let other = workshop.text("tiny.toml").replace("seed = 3", "seed = 4");
    workshop.write("other.toml", &other);
    workshop.run(&["train", "other.toml", "--set", "training.steps=2"]).expect(0);
    let outcome = workshop.run(&["score", runs[0], "results/other/seed-1"]).expect(2);
    assert_eq!(outcome.says("have translated different texts").out(), "");
}

/// Any compression, and any file name.
#[test]
fn files_of_other_compressions_give_what_plain_files_give() {
    let workshop = workshop();
    let plain = workshop.run(&["score", "--hyp", "hyp", "--ref", "ref"]).expect(0).out();
    let text = workshop.read("hyp");
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::default());
    bzip2.write_all(&text).unwrap();
    let mut xz = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::default()).unwrap();
    xz.write_all(&text).unwrap();
    let zstd = ruzstd::encoding::compress_to_vec(&text[..], ruzstd::encoding::CompressionLevel::Fastest);
    for (ending, packed) in [("bz2", bzip2.finish().unwrap()), ("xz", xz.finish().unwrap()), ("zst", zstd)] {
        let (named, unnamed, cut) =
            (format!("hyp.{ending}"), format!("hyp-{ending}"), format!("cut.{ending}"));
        std::fs::write(workshop.path(&named), &packed).unwrap();
        std::fs::write(workshop.path(&unnamed), &packed).unwrap();
        std::fs::write(workshop.path(&cut), &packed[..packed.len() / 2]).unwrap();
        for file in [&named, &unnamed] {
            assert_eq!(workshop.run(&["score", "ref", "-i", file]).expect(0).out(), plain, "{file}");
        }
        let piped = workshop.run_with_input(&["score", "ref", "-i", "-"], &packed).expect(0).out();
        assert_eq!(piped, plain, "{ending}");
        let outcome = workshop.run(&["score", "ref", "-i", &cut]).expect(2);
        assert_eq!(outcome.says(&format!("{cut}: the ")).says("ends too early").out(), "");
        std::fs::write(workshop.path(&cut), &text).unwrap();
        let outcome = workshop.run(&["score", "ref", "-i", &cut]).expect(2);
        assert_eq!(outcome.says(&format!("a name ending in .{ending} must hold")).out(), "");
    }
}

#[test]
fn a_byte_order_mark_at_the_start_of_a_file_is_no_text_and_is_told() {
    let workshop = workshop();
    let score = |hypotheses: &str, references: &str| {
        json(&workshop, &["--hyp", hypotheses, "--ref", references])["bleu"]["score"].clone()
    };
    let expected = score("hyp", "ref");
    for name in ["hyp", "ref"] {
        workshop.write(&format!("{name}.marked"), &format!("\u{feff}{}", workshop.text(name)));
    }
    assert_eq!([score("hyp.marked", "ref"), score("hyp", "ref.marked")], [expected.clone(), expected]);
    let told = |hyp| workshop.run(&["score", "ref", "-i", hyp]).expect(0).err();
    assert!(
        told("hyp.marked").contains("hyp.marked begins with a byte-order mark"),
        "{}",
        told("hyp.marked")
    );
    assert_eq!(told("hyp"), "");
    workshop.write("gold", "\u{feff}(S (NN a))\n");
    workshop.run(&["evalb", "gold", "gold"]).expect(0);
}

#[test]
fn segments_of_sgml_are_scored_and_not_its_tags() {
    let workshop = workshop();
    let sgml = |name: &str| {
        let text = workshop.text(name);
        let segments = (1..).zip(text.lines()).map(|(n, line)| format!("<seg id=\"{n}\">{line}</seg>\n"));
        format!("<refset setid=\"x\">\n<doc>\n{}</doc>\n</refset>\n", segments.collect::<String>())
    };
    workshop.write("ref.sgm", &sgml("ref"));
    workshop.write("hyp.xml", &sgml("hyp"));
    let score = |hypotheses: &str, references: &str| {
        json(&workshop, &["--hyp", hypotheses, "--ref", references])["bleu"]["score"].clone()
    };
    let expected = score("hyp", "ref");
    assert_eq!([score("hyp", "ref.sgm"), score("hyp.xml", "ref.sgm")], [expected.clone(), expected]);
    let score = |references: &str| workshop.run(&["score", "--hyp", "hyp", "--ref", references]);
    workshop
        .write("new.xml", "<dataset>\n<doc>\n<ref lang=\"en\"><seg id=\"1\">a</seg></ref></doc></dataset>\n");
    score("new.xml").expect(2).says("new.xml:3: <ref> belongs to WMT's XML since 2021");
    workshop.write("lines.sgm", "a\nb\n");
    score("lines.sgm").expect(2).says("lines.sgm: there is no <seg>");
    score("none.sgm").expect(2).says("none.sgm: there is no such file");
}

#[test]
fn a_target_language_without_blanks_is_noted_unless_the_tokeniser_suits_it() {
    let workshop = Workshop::new();
    let chinese = workshop.text("tiny.toml").replace("\"de\"", "\"zh\"");
    workshop.write("chinese.toml", &chinese);
    workshop.write("small.toml", "base = \"chinese.toml\"\nseeds = [1]\n[[row]]\nlabel = \"base\"\n");
    for words in [["prepare", "chinese.toml"], ["train", "chinese.toml"], ["sweep", "small.toml"]] {
        let err = workshop.run(&words).expect(0).err();
        let note = "note: BLEU is counted with the tokeniser 13a, which does not segment \"zh\"";
        assert_eq!(err.matches(note).count(), 1, "{err}");
    }
    let by_characters = ["train", "chinese.toml", "--name", "characters", "--set", "decoding.tokenize=zh"];
    let err = workshop.run(&by_characters).expect(0).err();
    assert!(!err.contains("note:"), "{err}");
    let err = workshop.run(&["prepare", "tiny.toml"]).expect(0).err();
    assert!(!err.contains("note:"), "{err}");
    let score = ["score", "results/chinese/seed-1", "--metric", "bleu", "--tokenize", "zh"];
    let scores = workshop.run(&score).expect(0).out();
    assert!(scores.contains("tok:zh"), "{scores}");
}
