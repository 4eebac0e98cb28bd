/// The names closest to `name`, best first, at most three; empty when nothing is near.
///
/// Distance is Levenshtein's, with a bonus when one name contains the other.
pub fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let limit = (name.chars().count() / 3).max(2);
    let mut scored: Vec<(usize, &str)> = names
        .into_iter()
        .filter_map(|n| {
            let contains = !name.is_empty() && (n.contains(name) || name.contains(n));
            let d = distance(name, n);
            let d = if contains { d.min(limit) } else { d };
            (d <= limit).then_some((d, n))
        })
        .collect();
    scored.sort_unstable();
    scored.dedup();
    scored.into_iter().take(3).map(|(_, n)| n.to_owned()).collect()
}

fn distance(a: &str, b: &str) -> usize {
    // Names are short; a hostile one is cut, since only near ones matter.
    let a: Vec<char> = a.chars().take(100).collect();
    let b: Vec<char> = b.chars().take(100).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_the_name_meant() {
        let names = ["layer1.add", "layer1.relu", "layer2.add", "fc"];
        assert_eq!(nearest("layer1.ad", names)[0], "layer1.add");
        assert!(nearest("zzzzzz", names).is_empty());
    }
}
