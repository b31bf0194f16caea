//! `ablate doctor`: its output on a machine without a usable card, and the comparison on the CPU.

use crate::common::Workshop;

#[test]
fn a_machine_without_a_card_trains_on_its_cpu() {
    let workshop = Workshop::new();
    let text = workshop.run(&["doctor", "--device", "cpu"]).expect(0).out();
    for subject in ["libtorch", "processor", "NVIDIA driver", "NCCL", "training runs on", "a small model"] {
        assert!(text.lines().any(|line| line.starts_with(subject)), "no {subject} in:\n{text}");
    }
    assert!(text.contains("cpu, ") && text.contains("2.11.0"), "{text}");
}

/// This holds wherever these tests run: no machine has a hundred cards.
#[test]
fn a_card_that_is_not_there_is_a_user_error_with_the_reason() {
    let workshop = Workshop::new();
    let done = workshop.run(&["doctor", "--device", "cuda:99"]).expect(2);
    let errors = done.err();
    // Without a card the reason is the missing part; with one, the number of cards.
    let reasons = ["--device asks for CUDA, but ", "the GPUs are numbered 0 to "];
    assert!(reasons.iter().any(|reason| errors.contains(reason)), "{errors}");
    assert!(!errors.contains("run.device"), "this command has no such setting: {errors}");
    assert!(done.out().contains("libtorch"), "the findings come all the same");
    let errors = workshop.run(&["doctor", "--device", "gpu"]).expect(2).err();
    assert!(errors.contains("\"cuda:N\""), "{errors}");
}

#[test]
fn every_precision_is_near_float64_on_the_cpu() {
    let workshop = Workshop::new();
    let report = workshop.run(&["doctor", "--device", "cpu", "--check", "--json"]).expect(0).json();
    let gaps = report["gaps"].as_array().unwrap();
    // Eight cases, three precisions, four quantities and, in float64, the weights.
    assert_eq!(gaps.len(), 8 * (3 * 4 + 1));
    for gap in gaps {
        assert_eq!(gap["holds"], true, "{gap}");
        // On the CPU float64 is compared with itself, and dropout repeats.
        if gap["precision"] == "float64" || gap["quantity"] == "dropout" {
            assert_eq!(gap["gap"], 0.0, "{gap}");
        } else {
            assert!(gap["gap"].as_f64().unwrap() > 0.0, "{gap}");
        }
    }
}
