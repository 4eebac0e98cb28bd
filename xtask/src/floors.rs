//! Which crate may use which: only those on lower floors.

use crate::{Breach, Workspace};

/// Where a crate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// May use every crate on a lower floor.
    Floor(u8),
    /// Beside the house: may use what is listed, and no floor may use it (tests may).
    Beside(&'static [&'static str]),
}

impl Place {
    fn words(self) -> String {
        match self {
            Self::Floor(n) => format!("floor {n}"),
            Self::Beside(_) => "beside the house".into(),
        }
    }
}

/// The house. A new crate gets its line here.
pub const HOUSE: &[(&str, Place)] = &[
    ("regraft-tensor", Place::Floor(0)),
    ("regraft-net", Place::Floor(1)),
    ("regraft-kernels", Place::Floor(1)),
    ("regraft-formats", Place::Floor(2)),
    ("regraft-zoo", Place::Floor(2)),
    ("regraft-infer", Place::Floor(2)),
    ("regraft-grad", Place::Floor(2)),
    ("regraft-data", Place::Floor(2)),
    ("regraft-probe", Place::Floor(2)),
    // The documents of a run, so that train and report need not know each other.
    ("regraft-run", Place::Floor(2)),
    ("regraft-train", Place::Floor(3)),
    ("regraft-report", Place::Floor(3)),
    ("regraft-advise", Place::Floor(3)),
    ("regraft-look", Place::Floor(3)),
    ("regraft", Place::Floor(4)),
    ("regraft-cli", Place::Floor(5)),
    ("regraft-testkit", Place::Beside(&["regraft-tensor", "regraft-net"])),
    ("xtask", Place::Beside(&[])),
];

fn place(name: &str) -> Option<Place> {
    HOUSE.iter().find(|(n, _)| *n == name).map(|(_, place)| *place)
}

fn allowed(from: Place, name: &str, to: Place) -> bool {
    match (from, to) {
        (Place::Floor(from), Place::Floor(to)) => to < from,
        (Place::Floor(_), Place::Beside(_)) => false,
        (Place::Beside(list), _) => list.contains(&name),
    }
}

/// Every crate without a floor, and every use of a crate that is not on a lower one.
pub fn check(workspace: &Workspace) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for package in &workspace.packages {
        let Some(from) = place(&package.name) else {
            breaches.push(Breach::Unknown { name: package.name.clone() });
            continue;
        };
        for name in &package.uses {
            // A crate of ours without a floor is reported once, as a crate.
            let Some(to) = place(name) else { continue };
            if !allowed(from, name, to) {
                breaches.push(Breach::Edge {
                    from: (package.name.clone(), from.words()),
                    to: (name.clone(), to.words()),
                });
            }
        }
    }
    breaches
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Package;

    fn house(edges: &[(&str, &[&str])]) -> Workspace {
        let packages = edges.iter().map(|(name, uses)| Package {
            name: (*name).to_owned(),
            manifest: "Cargo.toml".into(),
            uses: uses.iter().map(|u| (*u).to_owned()).collect(),
        });
        Workspace { root: ".".into(), target: "target".into(), packages: packages.collect() }
    }

    fn said(edges: &[(&str, &[&str])]) -> Vec<String> {
        check(&house(edges)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn downward_and_foreign_edges_pass() {
        let edges: &[(&str, &[&str])] = &[
            ("regraft-tensor", &["thiserror"]),
            ("regraft-train", &["regraft-tensor", "regraft-infer", "rayon"]),
            ("regraft-testkit", &["regraft-tensor", "regraft-net"]),
            ("xtask", &["serde_json"]),
        ];
        assert_eq!(check(&house(edges)), []);
    }

    #[test]
    fn an_edge_that_does_not_go_down_is_reported_with_both_ends() {
        let cases = [
            ("regraft-net", "regraft-zoo", "`regraft-net` (floor 1) uses `regraft-zoo` (floor 2)"),
            (
                "regraft-train",
                "regraft-report",
                "`regraft-train` (floor 3) uses `regraft-report` (floor 3)",
            ),
            ("regraft-data", "regraft-data", "uses `regraft-data` (floor 2)"),
            ("regraft-cli", "regraft-testkit", "uses `regraft-testkit` (beside the house)"),
            ("regraft-testkit", "regraft-infer", "(beside the house) uses `regraft-infer`"),
            ("xtask", "regraft-tensor", "`xtask` (beside the house) uses `regraft-tensor`"),
        ];
        for (from, to, wanted) in cases {
            let said = said(&[(from, &[to])]);
            assert_eq!(said.len(), 1, "{from} -> {to}");
            assert!(said[0].contains(wanted), "{}", said[0]);
        }
    }

    #[test]
    fn a_crate_without_a_floor_is_told_to_get_one() {
        let said =
            said(&[("regraft-cluster", &["regraft-tensor"]), ("regraft", &["regraft-cluster"])]);
        let wanted =
            "`regraft-cluster` has no floor: give it one in the table of xtask/src/floors.rs";
        assert_eq!(said, [wanted]);
    }
}
