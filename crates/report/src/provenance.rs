//! How to use the run, and where everything in it comes from.

use regraft_run::{PreprocessPlan, ResizePlan, TuningPlan};

use crate::About;
use crate::html::{Html, Name, Show};

pub(crate) fn usage(about: &About<'_>) -> Html {
    let mut out = Html::new();
    let run = quoted(about.run);
    let (what, data) = if about.plan.has_label_sets() {
        ("Name the labels of a picture", "listed in a table")
    } else {
        ("Name the class of a picture", "in a folder of class folders")
    };
    out.put(
        "<p>{}:</p>\n<pre><code>regraft predict {} picture.jpg</code></pre>\n\
         <p>Test on other labelled pictures, {}:</p>\n\
         <pre><code>regraft evaluate {} folder</code></pre>\n\
         <p>Every prediction of this run is in <code>predictions.csv</code>, every number in \
         <code>metrics.json</code>, every choice in <code>plan.toml</code>.</p>\n",
        &[&what, &run, &data, &run],
    );
    out
}

/// A path as a POSIX shell takes it for one word.
fn quoted(path: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    let path = if path.starts_with('-') { format!("./{path}") } else { path.to_owned() };
    if !path.is_empty() && path.chars().all(plain) {
        return path;
    }
    format!("'{}'", path.replace('\'', "'\\''"))
}

pub(crate) fn body(about: &About<'_>) -> Html {
    let mut out = Html::new();
    let plan = about.plan;
    let (network, facts) = (&plan.network, &about.network);
    out.raw("<dl class=\"facts\">\n");
    let mut fact = |label: &'static str, value: &dyn Show| {
        out.put("<div><dt>{}</dt><dd>{}</dd></div>\n", &[&label, value]);
    };
    fact("Network", &Name(&network.name));
    fact("Trained on", &Name(facts.dataset));
    fact("Origin", &Name(facts.origin));
    fact("Licence", &Name(facts.licence));
    fact("Weights", &Name(&network.source));
    fact("SHA-256", &Name(&network.weights_sha256));
    fact(
        "Frozen up to",
        &format!("{} ({}), {} features", network.cut, network.features, network.feature_len),
    );
    fact("Computed in", &format!("{} ({})", plan.engine.precision, plan.engine.instructions));
    fact("Preprocessing", &preprocessing(&plan.preprocess));
    let head = &plan.head;
    fact(
        "Head",
        &format!(
            "{}, penalty {}, temperature {}, {} folds",
            head.kind, head.penalty, head.temperature, head.folds
        ),
    );
    fact("Strategy", &Name(&plan.strategy));
    if let Some(t) = &plan.tuning {
        let frontier = t.frontier.as_deref().unwrap_or("the picture");
        fact("Trained", &format!("{}, above {frontier}", t.unfreeze));
        fact(
            "Training",
            &format!(
                "{} rounds in steps of {}, {}, rates {}, {} schedule, weight decay {}",
                t.epochs, t.batch, t.optimiser, t.rates, t.schedule, t.decay
            ),
        );
        let augment = if t.augment.is_empty() { "none" } else { &t.augment };
        fact("Augmentation", &Name(augment));
        if !t.hidden.is_empty() {
            fact("Hidden layers of the head", &Name(&t.hidden));
        }
        let more = extras(t);
        if !more.is_empty() {
            fact("Also", &more.join("; "));
        }
        let norms = if t.batch_norm { "statistics of the batch" } else { "frozen" };
        fact("Batch norms", &norms);
    }
    fact("Data", &Name(&plan.data.root));
    fact("Split", &Name(&plan.data.split_origin));
    fact("Seed", &plan.seed.to_string());
    fact("Version", &format!("regraft {}", plan.regraft_version));
    out.raw("</dl>\n");
    out
}

/// What was asked for beyond plain steps.
fn extras(t: &TuningPlan) -> Vec<String> {
    let mut more = Vec::new();
    more.extend(t.average.map(|keep| format!("mean of the steps' weights, each keeps {keep}")));
    if t.gradual {
        more.push("blocks joined one by one from the top".to_owned());
    }
    more.extend(t.patience.map(|n| format!("early stopping after {n} rounds without improvement")));
    if !t.class_weights.is_empty() {
        more.push("the loss weighed by class".to_owned());
    }
    more
}

fn preprocessing(p: &PreprocessPlan) -> String {
    let resize = match p.resize {
        ResizePlan::Shorter(size) => format!("shorter side to {size}"),
        ResizePlan::Exact([h, w]) => format!("to {h} x {w} (height x width)"),
    };
    let list = |v: &[f32; 3]| format!("{}, {}, {}", v[0], v[1], v[2]);
    let [h, w] = p.crop;
    format!(
        "{resize} ({}), centre crop {h} x {w}, {}, value x {} - ({}), divided by ({})",
        p.interpolation,
        p.channels,
        p.scale,
        list(&p.mean),
        list(&p.std),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_of_the_shell() {
        let cases = [
            ("runs/bees", "runs/bees"),
            ("my runs/it's", "'my runs/it'\\''s'"),
            ("-rf", "./-rf"),
            ("", "''"),
            ("$(x)", "'$(x)'"),
        ];
        for (given, wanted) in cases {
            assert_eq!(quoted(given), wanted);
        }
    }
}
