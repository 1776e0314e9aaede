//! Tests with files that try to exhaust the compiler. Each must be refused with a message, on a thread with a small
//! stack, without ending the process.

use super::{CHAINS, TARGETS, agent, ask, bundle, facts};
use crate::nesting::DEPTH_MAX;
use crate::{Bundle, Files};
use countersign_common::Verdict;
use countersign_common::facts::Action;
use proptest::prelude::*;

/// Runs `work` on a thread as small as the smallest that compiles bundles; a stack overflow ends the test process.
fn on_a_small_stack<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(256 << 10).spawn_scoped(scope, work);
        thread.unwrap().join().unwrap()
    })
}

fn refused(name: &str, text: &str) -> String {
    let files = [("targets.yaml", TARGETS), ("chains.yaml", CHAINS), ("p.cedar", ""), (name, text)];
    let files = Files::from_iter(files);
    on_a_small_stack(|| Bundle::compile(&files, Vec::new()).unwrap_err().to_string())
}

fn nested(before: &str, inside: &str, after: &str, times: usize) -> String {
    format!("{}{inside}{}", before.repeat(times), after.repeat(times))
}

fn permit(expression: &str) -> String {
    format!("@id(\"a\")\npermit (principal, action in Action::\"read\", resource) when {{ {expression} }};\n")
}

const WAYS: [(&str, &str, &str); 9] = [
    ("(", "true", ")"),
    ("if true then ", "true", " else false"),
    ("true && ", "true", ""),
    ("true || ", "true", ""),
    ("false || (true && ", "true", ")"),
    ("[", "1", "] == [1]"),
    ("!(", "true", ")"),
    ("1 + ", "1", " == 2"),
    ("{a: ", "1", "}.a == 1"),
];

#[test]
fn twenty_thousand_levels_of_anything_are_refused_with_their_place() {
    for (before, inside, after) in WAYS {
        for text in [
            permit(&nested(before, inside, after, 20_000)),
            permit(&format!("{}{inside}", before.repeat(20_000))),
            before.repeat(20_000),
        ] {
            let faults = refused("p.cedar", &text);
            assert!(
                faults.contains("p.cedar:1:1: the policy is nested more than"),
                "{before}: {faults:.300}"
            );
        }
    }
}

#[test]
fn the_deepest_that_is_taken_is_compiled_and_judged() {
    for (before, inside, after) in WAYS {
        let fits =
            |times: &usize| crate::nesting::check(&permit(&nested(before, inside, after, *times))).is_ok();
        let times = (1..=DEPTH_MAX).take_while(fits).last().unwrap();
        let text = permit(&nested(before, inside, after, times));
        let files = Files::from_iter([("targets.yaml", TARGETS), ("p.cedar", text.as_str())]);
        let compiled =
            on_a_small_stack(|| Bundle::compile(&files, Vec::new()).map(drop).map_err(|e| e.to_string()));
        // Cedar has its own limits and types; these errors are reported, too.
        if let Err(faults) = compiled {
            assert!(faults.contains("p.cedar:"), "{before}: {faults}");
        }
    }
    let clauses = vec!["context.database == \"shop\""; DEPTH_MAX / 2].join(" || ");
    let bundle = bundle(&permit(&clauses));
    // The serving threads have stacks of 2 MiB.
    let verdict = std::thread::scope(|scope| {
        scope.spawn(|| ask(&bundle, &agent(), &facts(&[Action::Select]))).join().unwrap()
    });
    assert!(matches!(verdict, Verdict::Allow(_) | Verdict::Block(_)), "{verdict:?}");
}

#[test]
fn nested_and_growing_yaml_is_refused() {
    let aliases: String = (1..40).fold("a0: &a0 [x, x, x, x, x, x, x, x, x]\n".into(), |text: String, n| {
        let list = vec![format!("*a{}", n - 1); 9].join(", ");
        format!("{text}a{n}: &a{n} [{list}]\n")
    });
    let bombs = [
        "[".repeat(20_000),
        nested("[", "1", "]", 20_000),
        nested("{a: ", "1", "}", 20_000),
        nested("chains: {a: ", "1", "}", 20_000),
        "- ".repeat(20_000),
        "a: &a [*a]".to_owned(),
        (0..5_000).fold(String::new(), |text, depth| text + &" ".repeat(depth % 500) + "a:\n"),
        aliases,
    ];
    for name in ["targets.yaml", "chains.yaml", "masking.yaml", "limits.yaml"] {
        for bomb in &bombs {
            let files: Vec<_> = [("targets.yaml", TARGETS), ("chains.yaml", CHAINS)]
                .into_iter()
                .filter(|(other, _)| *other != name)
                .chain([(name, bomb.as_str())])
                .collect();
            let files = Files::from_iter(files);
            let faults = on_a_small_stack(|| Bundle::compile(&files, Vec::new()).unwrap_err().to_string());
            assert!(faults.contains(name), "{name}: {faults:.300}");
        }
    }
}

#[test]
fn too_much_is_refused_before_it_is_parsed() {
    let large = format!("// {}", "x".repeat(crate::nesting::TEXT_BYTES_MAX));
    assert!(refused("p.cedar", &large).contains("more than 1048576 bytes"));
    let many = (0..=crate::nesting::POLICIES_MAX).fold(String::new(), |text, number| {
        text + &format!("@id(\"{number}\")permit(principal,action,resource);\n")
    });
    assert!(refused("p.cedar", &many).contains("more than 4096 policies"));
    let faults = refused("p.cedar", &"permit(principal,action,resource);\n".repeat(4000));
    assert!(faults.lines().count() < 210, "{}", faults.lines().count());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Compiling text of any brackets and operators ends with a result or an error message.
    #[test]
    fn no_text_ends_the_process(parts in prop::collection::vec((
        prop::sample::select(vec!["(", ")", "[", "]", "{", "}", "!", "-", "&&", "||", "if ", "then ", "else ", ".a", "\"",
            "//", "\n", ",", ";", "true ", "1 ", "a::", "when ", "permit(principal,action,resource)", "@id(\"a\")", "?"]),
        1_usize..3000,
    ), 1..6)) {
        let text: String = parts.iter().map(|(part, times)| part.repeat(*times)).collect();
        let files = Files::from_iter([("targets.yaml", TARGETS), ("p.cedar", text.as_str())]);
        let _ = on_a_small_stack(|| Bundle::compile(&files, Vec::new()).map(drop));
    }
}
