//! Pieces of messages.

pub(crate) fn hint(near: &[String]) -> String {
    if near.is_empty() {
        return String::new();
    }
    let names: Vec<String> = near.iter().map(|n| format!("`{n}`")).collect();
    format!("; did you mean {}?", names.join(" or "))
}

/// Each line on its own, indented, after a line break.
pub(crate) fn bullets(lines: &[String]) -> String {
    lines.iter().flat_map(|l| ["\n  ", l.as_str()]).collect()
}
