use crate::support::{World, network};

#[test]
fn advice_names_a_network_a_plan_with_reasons_and_the_command_for_it() {
    let world = World::new();
    world.pictures("mine", &["a", "b"], 12);
    let name = network();
    let json = world.run(&["advise", "mine", "--networks", &name, "--json"]).json();
    assert_eq!((json["images"].as_u64(), json["classes"].as_u64()), (Some(20), Some(2)));
    let candidate = &json["candidates"][0];
    assert_eq!(candidate["network"], name.as_str());
    assert!(candidate["expected_top1"].as_f64().unwrap() > 0.5, "{candidate}");
    for score in ["probe LOO", "LogME", "shrunk H", "LEEP", "NCE", "TransRate"] {
        assert!(candidate["scores"][score].is_number(), "{score}: {candidate}");
    }
    assert!(!json["advice"]["reasons"].as_array().unwrap().is_empty());
    let command = json["command"].as_str().unwrap();
    assert!(command.starts_with("regraft fit mine --network "), "{command}");
    // What is advised is a command that can be run.
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    let done = world.run(&words);
    assert_eq!(done.code(), 0, "{command}: {}", done.stderr());
    let text = world.run(&["advise", "mine", "--networks", &name]).stdout();
    for words in ["a probe gets", "because: ", "confidence", command] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn without_a_network_at_hand_it_says_how_to_get_one() {
    let world = World::new();
    world.pictures("mine", &["a", "b"], 4);
    world.run(&["advise", "mine"]).refused(2, &["zoo pull", "--networks"]);
    world.run(&["advise", "mine", "--networks", "no-such-net"]).refused(4, &["no-such-net"]);
}
