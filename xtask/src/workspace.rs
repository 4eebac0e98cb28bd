//! The workspace as `cargo metadata` tells it.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::Error;

/// A crate of the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its `Cargo.toml`.
    pub manifest: PathBuf,
    /// Names of the crates it needs to be built; those of its tests are not among them. Sorted.
    pub uses: Vec<String>,
}

/// The crates of the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// The folder with the workspace's `Cargo.toml`.
    pub root: PathBuf,
    /// Where cargo builds.
    pub target: PathBuf,
    /// The crates, sorted by name.
    pub packages: Vec<Package>,
}

impl Workspace {
    /// Asks cargo about the workspace around the current folder.
    ///
    /// # Errors
    /// When cargo cannot be run, fails, or answers something else than its JSON.
    pub fn load() -> Result<Self, Error> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(&cargo)
            .args(["metadata", "--format-version", "1", "--no-deps"])
            .output()
            .map_err(|source| Error::Start { program: cargo, source })?;
        if !output.status.success() {
            return Err(Error::Failed {
                what: "cargo metadata".into(),
                code: output.status.code(),
                said: String::from_utf8_lossy(&output.stderr).into_owned(),
            });
        }
        Self::parse(&String::from_utf8_lossy(&output.stdout))
    }

    /// Reads the JSON of `cargo metadata --format-version 1 --no-deps`.
    ///
    /// # Errors
    /// When a field is missing.
    pub fn parse(json: &str) -> Result<Self, Error> {
        let wrong = |wanted: String| Error::Json {
            what: "cargo metadata".into(),
            wanted,
            given: json.chars().take(80).collect(),
        };
        let value: Value = serde_json::from_str(json).map_err(|e| wrong(e.to_string()))?;
        let text = |value: &Value, key: &str| {
            let found = value[key].as_str().map(str::to_owned);
            found.ok_or_else(|| wrong(format!("no text `{key}`")))
        };
        let list = |value: &Value, key: &str| {
            let found = value[key].as_array().cloned();
            found.ok_or_else(|| wrong(format!("no list `{key}`")))
        };
        let mut packages = Vec::new();
        for package in list(&value, "packages")? {
            let mut uses = Vec::new();
            for dependency in list(&package, "dependencies")? {
                if dependency["kind"] != "dev" {
                    uses.push(text(&dependency, "name")?);
                }
            }
            uses.sort();
            uses.dedup();
            let manifest = text(&package, "manifest_path")?.into();
            packages.push(Package { name: text(&package, "name")?, manifest, uses });
        }
        packages.sort_by(|a, b| a.name.cmp(&b.name));
        let root = text(&value, "workspace_root")?.into();
        Ok(Self { root, target: text(&value, "target_directory")?.into(), packages })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_of_tests_do_not_count_and_those_of_build_scripts_do() {
        let json = r#"{"workspace_root": "r", "target_directory": "t", "packages": [
            {"name": "b", "manifest_path": "b/Cargo.toml", "dependencies": []},
            {"name": "a", "manifest_path": "a/Cargo.toml", "dependencies": [
                {"name": "z", "kind": null}, {"name": "kit", "kind": "dev"},
                {"name": "gen", "kind": "build"}, {"name": "z", "kind": null}]}]}"#;
        let workspace = Workspace::parse(json).unwrap();
        assert_eq!(workspace.packages[0].name, "a");
        assert_eq!(workspace.packages[0].uses, ["gen", "z"]);
        assert_eq!(workspace.packages[1].uses, [""; 0]);
    }

    #[test]
    fn an_answer_that_is_not_cargos_is_an_error() {
        for (json, wanted) in [
            ("", "EOF"),
            ("[]", "no list `packages`"),
            (r#"{"packages": [{"name": "a"}]}"#, "no list `dependencies`"),
            (r#"{"packages": []}"#, "no text `workspace_root`"),
        ] {
            let error = Workspace::parse(json).unwrap_err().to_string();
            assert!(error.contains(wanted), "{json}: {error}");
        }
    }
}
