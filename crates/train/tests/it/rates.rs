//! The table of layers: who learns, how fast, and where the frozen part ends.

use regraft_net::{Network, notation};
use regraft_testkit::with_formula_weights;
use regraft_train::{Asked, Rates, Table, TrainError, Unfreeze};

/// A stem, three blocks of which the second is residual, a head.
fn network() -> Network {
    let text = "x = input 3x8x8
        stem = conv2d x out=4 size=3 pad=1
        b1 = conv2d stem out=4 size=1
        n1 = batch_norm b1 eps=0.001
        a1 = relu n1
        b2 = conv2d a1 out=4 size=3 pad=1
        sum2 = add b2 a1
        b3 = conv2d sum2 out=6 size=1
        a3 = relu b3
        pool = global_avg_pool a3
        head = linear pool out=2
        -> head";
    let plain = with_formula_weights(notation::parse(text).unwrap());
    let mut card = plain.card().clone();
    card.blocks = ["stem", "a1", "sum2", "a3"].map(str::to_owned).to_vec();
    Network::new(plain.graph().clone(), plain.params(), card).unwrap()
}

fn asked(unfreeze: &str, rates: &str) -> Asked {
    Asked {
        unfreeze: Unfreeze::parse(unfreeze).unwrap(),
        rates: Rates::parse(rates).unwrap(),
        overrides: Vec::new(),
        batch_norm: false,
    }
}

fn table(asked: &Asked) -> Result<Table, TrainError> {
    Table::new(&network(), &|layer| layer == "head", asked)
}

/// `layer=rate`, of those that learn.
fn rates(table: &Table) -> String {
    let learns = table.layers.iter().filter_map(|l| Some((l, l.rate?)));
    learns.map(|(l, r)| format!("{}={r:.1e}", l.layer)).collect::<Vec<_>>().join(" ")
}

#[test]
fn two_four_six_is_lowest_others_new() {
    let table = table(&asked("all", "2:4:6")).unwrap();
    assert_eq!(rates(&table), "stem=1.0e-6 b1=1.0e-4 b2=1.0e-4 b3=1.0e-4 head=1.0e-2");
    assert_eq!(table.frontier, None);
    let norm = table.get("n1").unwrap();
    assert_eq!((norm.rate, norm.batch_norm), (None, Some(false)));
    assert_eq!(table.learned(), [108 + 16 + 144 + 24 + 14, 108 + 16 + 8 + 144 + 24 + 14]);
}

#[test]
fn longer_lists_spread_over_the_blocks() {
    let five = table(&asked("all", "2:3:4:5:6")).unwrap();
    assert_eq!(rates(&five), "stem=1.0e-6 b1=1.0e-5 b2=1.0e-4 b3=1.0e-3 head=1.0e-2");
    let four = table(&asked("all", "2:3:4:6")).unwrap();
    assert_eq!(rates(&four), "stem=1.0e-6 b1=1.0e-5 b2=1.0e-5 b3=1.0e-4 head=1.0e-2");
    let two = table(&asked("all", "4:6")).unwrap();
    assert_eq!(rates(&two), "stem=1.0e-4 b1=1.0e-4 b2=1.0e-4 b3=1.0e-4 head=1.0e-2");
    let error = table(&asked("all", "1:2:3:4:5:6")).unwrap_err().to_string();
    assert!(error.contains("6 learning rates") && error.contains("at most 5"), "{error}");
}

#[test]
fn decay_goes_down_from_the_highest_block() {
    let half = table(&asked("all", "layer-decay=0.5")).unwrap();
    assert_eq!(rates(&half), "stem=1.3e-3 b1=2.5e-3 b2=5.0e-3 b3=1.0e-2 head=1.0e-2");
    let ulmfit = table(&asked("last:2", "ulmfit")).unwrap();
    assert_eq!(rates(&ulmfit), "b2=3.8e-3 b3=1.0e-2 head=1.0e-2");
}

#[test]
fn the_frontier_is_the_last_value_that_alone_decides_the_rest() {
    for (unfreeze, frontier, learned) in [
        ("none", Some("pool"), "head"),
        ("last:1", Some("sum2"), "b3 head"),
        // Within the residual block the value before it is needed too.
        ("last:2", Some("a1"), "b2 b3 head"),
        ("from:b2", Some("a1"), "b2 b3 head"),
        ("from:n1", Some("a1"), "b2 b3 head"),
        ("b1", Some("stem"), "b1 head"),
        ("b*", Some("stem"), "b1 b2 b3 head"),
        ("stem,b3", None, "stem b3 head"),
        ("last:4", None, "stem b1 b2 b3 head"),
    ] {
        let table = table(&asked(unfreeze, "0.1")).unwrap();
        assert_eq!(table.frontier.as_deref(), frontier, "{unfreeze}");
        let names: Vec<String> =
            rates(&table).split(' ').map(|w| w.split('=').next().unwrap().to_owned()).collect();
        assert_eq!(names.join(" "), learned, "{unfreeze}");
    }
}

#[test]
fn norms_learn_only_when_asked_and_single_layers_have_their_own_rate() {
    let mut asked = asked("from:n1", "0.1");
    asked.batch_norm = true;
    asked.overrides = vec![("b*".to_owned(), 0.5), ("b3".to_owned(), 0.25)];
    let table = table(&asked).unwrap();
    assert_eq!(rates(&table), "n1=1.0e-1 b2=5.0e-1 b3=2.5e-1 head=1.0e-1");
    assert_eq!(table.frontier.as_deref(), Some("b1"));
    assert_eq!(table.get("n1").unwrap().batch_norm, Some(true));
}

#[test]
fn what_does_not_fit_is_said_with_near_names() {
    let error = |unfreeze: &str| table(&asked(unfreeze, "0.1")).unwrap_err().to_string();
    assert!(error("last:5").contains("the network has 4"), "{}", error("last:5"));
    assert!(error("from:stme").contains("stem"), "{}", error("from:stme"));
    assert!(error("stme").contains("stem"), "{}", error("stme"));
    let nothing = Table::new(&network(), &|_| false, &asked("none", "0.1")).unwrap_err();
    assert!(matches!(nothing, TrainError::NothingTuned));
    for wrong in ["last:", "last:x", "", "a,,b"] {
        assert!(Unfreeze::parse(wrong).is_err(), "{wrong}");
    }
    for wrong in ["", "2:x", "layer-decay=2", "layer-decay=0", "-1", "inf", "2::4"] {
        assert!(Rates::parse(wrong).is_err(), "{wrong}");
    }
    for text in ["none", "all", "last:3", "from:stem", "a.*,b"] {
        assert_eq!(Unfreeze::parse(text).unwrap().to_string(), text);
    }
    // A plan keeps rates as text: what is read from it is what was asked for.
    for text in ["2:4:6", "layer-decay=0.9", "ulmfit", "0.001", "2.5:6"] {
        let rates = Rates::parse(text).unwrap();
        assert_eq!(Rates::parse(&rates.to_string()).unwrap(), rates, "{rates}");
    }
}
