//! The text format: nothing is lost, edits touch what they name, faults say where.

use std::fmt::Write as _;

use proptest::prelude::*;
use regraft_formats::caffe::{Literal, Message, Place, ProtoFault, Prototxt, Value};

/// A value as the tests think of it.
#[derive(Debug, Clone, PartialEq)]
enum Node {
    Word(String),
    Int(i64),
    Text(String),
    Fields(Vec<(String, Node)>),
}

fn nodes() -> impl Strategy<Value = Vec<(String, Node)>> {
    let name = "[a-z_]{1,6}";
    let leaf = prop_oneof![
        "[A-Z]{1,5}".prop_map(Node::Word),
        any::<i64>().prop_map(Node::Int),
        "[ -~é\n]{0,8}".prop_map(Node::Text),
    ];
    let node = leaf.prop_recursive(4, 40, 5, move |inner| {
        prop::collection::vec((name, inner), 0..5).prop_map(Node::Fields)
    });
    prop::collection::vec((name, node), 0..6)
}

/// Writes fields in one of many ways; `style` gives the next choice.
fn write(fields: &[(String, Node)], style: &mut impl FnMut(usize) -> usize, to: &mut String) {
    const GAPS: [&str; 6] = [" ", "\n", "\t ", " # { a comment: \"1\n", "\r\n", "\n\n  "];
    const ENDS: [&str; 5] = [" ", "\n", ", ", ";\n", " # }\n"];
    for (name, node) in fields {
        to.push_str(name);
        let gap = |style: &mut dyn FnMut(usize) -> usize| GAPS[style(GAPS.len())];
        match node {
            Node::Fields(inner) => {
                let (open, close) = [("{", "}"), ("<", ">")][style(2)];
                to.push_str(["", ":", " : "][style(3)]);
                let _ = write!(to, "{}{open}{}", gap(style), gap(style));
                write(inner, style, to);
                to.push_str(close);
            }
            Node::Word(word) => {
                let _ = write!(to, ":{}{word}", gap(style));
            }
            Node::Int(n) => {
                let _ = match style(2) {
                    0 if *n >= 0 => write!(to, " : {n:#x}"),
                    _ => write!(to, ":{}{n}", gap(style)),
                };
            }
            Node::Text(text) => {
                to.push(':');
                // In several texts that follow one another, with either quote.
                let mut all: Vec<char> = text.chars().collect();
                let rest = all.split_off(if all.is_empty() { 0 } else { style(all.len()) });
                for part in [all, rest] {
                    let quote = ['"', '\''][style(2)];
                    let _ = write!(to, "{}{quote}", gap(style));
                    for c in part {
                        match c {
                            '\n' => to.push_str(["\\n", "\\012", "\\x0a"][style(3)]),
                            '"' | '\'' | '\\' => {
                                let _ = write!(to, "\\{c}");
                            }
                            c => to.push(c),
                        }
                    }
                    to.push(quote);
                }
            }
        }
        to.push_str(ENDS[style(ENDS.len())]);
    }
}

fn read(message: Message<'_>) -> Vec<(String, Node)> {
    let node = |value: Value<'_>| match value {
        Value::Message(inner) => Node::Fields(read(inner)),
        Value::List(_) => panic!("no list was written"),
        Value::Scalar(s) => match (s.text(), s.word(), s.int()) {
            (Some(text), ..) => Node::Text(text.into_owned()),
            (_, Some(word), _) => Node::Word(word.to_owned()),
            (_, _, Some(n)) => Node::Int(n),
            _ => panic!("{:?}", s.raw()),
        },
    };
    message.fields().map(|f| (f.name().to_owned(), node(f.value()))).collect()
}

fn style(mut seed: u64) -> impl FnMut(usize) -> usize {
    move |n| {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) as usize % n
    }
}

/// Goes through all fields.
fn walk(message: Message<'_>) -> usize {
    let one = |value: Value<'_>| match value {
        Value::Message(m) => 1 + walk(m),
        Value::Scalar(s) => s.raw().len(),
        Value::List(l) => l.values().count(),
    };
    message.fields().flat_map(|f| f.values()).map(one).sum()
}

proptest! {
    #[test]
    fn whatever_way_fields_are_written_they_are_read_and_printed_again(
        fields in nodes(), seed in any::<u64>(),
    ) {
        let mut text = String::new();
        write(&fields, &mut style(seed), &mut text);
        let net = Prototxt::parse(text.clone()).unwrap();
        prop_assert_eq!(net.text(), &text);
        prop_assert_eq!(net.to_string(), text);
        prop_assert_eq!(read(net.root()), fields);
    }

    #[test]
    fn an_edit_changes_its_field_and_not_a_byte_more(
        fields in nodes(), seed in any::<u64>(), value in any::<i64>(),
    ) {
        let mut text = String::new();
        let mut choose = style(seed);
        write(&fields, &mut choose, &mut text);
        let net = Prototxt::parse(text.clone()).unwrap();

        // A new field at the end of the top.
        let mut edited = net.clone();
        edited.set(&Place::top(), "Added", &Literal::Int(value)).unwrap();
        let mut wanted = fields.clone();
        wanted.push(("Added".to_owned(), Node::Int(value)));
        prop_assert_eq!(read(edited.root()), wanted);
        prop_assert!(edited.text().starts_with(text.trim_end()));
        edited.remove(&Place::top().field("Added", 0)).unwrap();
        prop_assert_eq!(edited.text().trim_end(), text.trim_end());

        // Another value for a field, and the field taken out.
        if fields.is_empty() {
            return Ok(());
        }
        let at = choose(fields.len());
        let name = &fields[at].0;
        let nth = fields[..at].iter().filter(|f| f.0 == *name).count();
        let first = fields.iter().position(|f| f.0 == *name).unwrap();
        let mut edited = net.clone();
        edited.set(&Place::top(), name, &Literal::Int(value)).unwrap();
        let mut wanted = fields.clone();
        wanted[first].1 = Node::Int(value);
        prop_assert_eq!(read(edited.root()), wanted);
        let mut edited = net.clone();
        edited.remove(&Place::top().field(name, nth)).unwrap();
        let mut wanted = fields.clone();
        wanted.remove(at);
        prop_assert_eq!(read(edited.root()), wanted);

        // A field before it.
        let mut edited = net;
        edited.insert(&Place::top(), at, "Added", &Literal::Text("#\"".to_owned())).unwrap();
        let mut wanted = fields.clone();
        wanted.insert(at, ("Added".to_owned(), Node::Text("#\"".to_owned())));
        prop_assert_eq!(read(edited.root()), wanted);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[ -~\n]{0,60}|[{}<>\\[\\]:;,a1\"'#\\\\\n -]{0,60}") {
        if let Ok(net) = Prototxt::parse(text.clone()) {
            prop_assert_eq!(net.text(), &text);
            // Every field can be walked.
            walk(net.root());
        }
    }
}

const NET: &str = "\
# mine
name: \"net\"

layer {
  name: \"conv\"   # the first
  type: \"Convolution\"
  convolution_param { num_output: 8 kernel_size: 3 }
}
layer {
  name: \"relu\"
  type: \"ReLU\"
}
";

#[test]
fn edits_look_like_the_text_around_them() {
    let mut net = Prototxt::parse(NET).unwrap();
    let conv = net.layer("conv").unwrap();
    let param = conv.field("convolution_param", 0);
    net.set(&param, "num_output", &Literal::Int(16)).unwrap();
    net.set(&param, "bias_term", &Literal::Word("false".to_owned())).unwrap();
    net.set(&conv, "top", &Literal::Text("conv".to_owned())).unwrap();
    net.remove(&conv.field("type", 0)).unwrap();
    net.insert(&conv, 1, "bottom", &Literal::Text("data".to_owned())).unwrap();
    net.add_layer(Some("conv"), "name: \"drop\"").unwrap();
    net.add_layer(None, "name: \"fc\"").unwrap();
    let wanted = "\
# mine
name: \"net\"

layer {
  name: \"conv\"   # the first
  bottom: \"data\"
  convolution_param { num_output: 16 kernel_size: 3 bias_term: false }
  top: \"conv\"
}
layer { name: \"drop\" }
layer {
  name: \"relu\"
  type: \"ReLU\"
}
layer { name: \"fc\" }
";
    assert_eq!(net.text(), wanted);
    let gone = net.layer("relu").unwrap();
    net.remove(&gone).unwrap();
    assert_eq!(net.text(), wanted.replace("layer {\n  name: \"relu\"\n  type: \"ReLU\"\n}\n", ""));
    let error = net.set(&gone.field("pooling_param", 2), "pad", &Literal::Int(1)).unwrap_err();
    assert_eq!(error.to_string(), "there is no `layer[2].pooling_param[2]`");
    let before = net.clone();
    assert!(net.set(&Place::top(), "name", &Literal::Word("} {".to_owned())).is_err());
    assert_eq!(net, before);
}

#[test]
fn values_are_read_in_every_form() {
    let text = "a: 1e-4 a: 1.f a: .5 a: -inf a: nan a: 0x1F a: 017 a: -3 a: - 2 a: 1.5E+2F a: infinity\n\
                b: [1, 2, 3] b: [] b: [{c: 1}, <c: 2>] t: 'it''s' \"\\t\\x41\\101\\u00e9\\\\\" \
                [ext.name]: 7 e: MAX, f < g: true; >";
    let net = Prototxt::parse(text).unwrap();
    let floats: Vec<f64> = net
        .root()
        .all("a")
        .map(|f| match f.value() {
            Value::Scalar(s) => s.float().unwrap(),
            Value::Message(_) | Value::List(_) => panic!("a number is wanted"),
        })
        .collect();
    let wanted = [1e-4, 1.0, 0.5, f64::NEG_INFINITY, f64::NAN, 31.0, 15.0, -3.0, -2.0, 150.0];
    for (got, wanted) in floats.iter().zip(wanted) {
        assert!(*got == wanted || (got.is_nan() && wanted.is_nan()), "{got} is not {wanted}");
    }
    assert_eq!(floats[10], f64::INFINITY);
    assert_eq!(net.root().all("b").flat_map(|f| f.values()).count(), 5);
    let Some(Value::Scalar(text)) = net.root().first("t").map(|f| f.value()) else {
        panic!("a text is wanted")
    };
    assert_eq!(text.text().unwrap(), "its\tAAé\\");
    assert!(net.root().first("[ext.name]").is_some());
    let Some(Value::Message(f)) = net.root().first("f").map(|f| f.value()) else {
        panic!("a message is wanted")
    };
    assert!(f.first("g").is_some());
}

#[test]
fn faults_say_line_column_and_what_was_wanted() {
    let deep = format!("{}{}", "a{".repeat(100_000), "}".repeat(100_000));
    let cases = [
        ("a: 1\nb 2", "line 2, column 3: `:` or `{` after the name of a field wanted, got `2`"),
        ("a: 1\n  layer {\n b: 2\n", "line 2, column 3: this `{` is never closed"),
        ("a: }", "line 1, column 4: a value"),
        (
            "a { b: 1 >",
            "line 1, column 10: the name of a field or a closing bracket wanted, got `>`",
        ),
        ("é: 1", "line 1, column 1: the name of a field"),
        ("a: 'x\n'", "line 1, column 4: a text that ends on its line wanted, got `'x`"),
        ("a: \"\\q\"", "line 1, column 5: an escape"),
        ("a: 12abc", "line 1, column 4: a number"),
        ("a: 1.2.3", "line 1, column 4: a number"),
        ("a: [1 2]", "line 1, column 7: `,` or `]` in a list wanted, got `2]`"),
        ("a: [1,]", "line 1, column 7: a value after `,`"),
        ("a: -x", "line 1, column 5: a number after `-`"),
        (
            "a:",
            "line 1, column 3: a value: a number, a word, a text in quotes or a bracket wanted, got the end of the text",
        ),
        (deep.as_str(), "line 1, column 129: more than 64 brackets inside one another"),
    ];
    for (text, wanted) in cases {
        let error = Prototxt::parse(text).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}\nis not\n{wanted}");
    }
    let long = Prototxt::parse(" ".repeat(regraft_formats::caffe::MAX_TEXT_BYTES + 1));
    assert!(matches!(long, Err(ProtoFault::TooLong { .. })));
}
