use regraft_net::lint::{Severity, structure};
use regraft_zoo::architectures;

#[test]
fn every_architecture_of_the_zoo_is_sound() {
    let mut unsound = Vec::new();
    for info in architectures() {
        let findings = structure(&info.graph().unwrap(), &info.card(info.name, "none")).unwrap();
        for f in &findings {
            let line = format!("{}: {} {:?}: {}", info.name, f.check.id, f.layer, f.figures);
            if f.severity > Severity::Note {
                unsound.push(line);
            }
        }
        assert!(findings.len() <= 2, "{}: notes are few: {findings:?}", info.name);
    }
    assert!(unsound.is_empty(), "{}", unsound.join("\n"));
}
