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

#[test]
fn advice_is_tried_on_images_left_out_and_not_trained_again_the_second_time() {
    let world = World::new();
    world.pictures("mine", &["a", "b"], 6);
    let name = network();
    let words = ["advise", "mine", "--networks", &name, "--verify", "--json"];
    let first = world.run(&words).json();
    let tried = &first["verification"];
    assert_eq!((tried["images"].as_u64(), tried["parts"].as_u64()), (Some(10), Some(3)));
    let outcomes = tried["outcomes"].as_array().unwrap();
    assert_eq!(outcomes.len(), 3, "the plan and two rivals");
    assert_eq!(outcomes[0]["command"], first["command"]);
    assert_eq!(outcomes[0]["gain"].as_f64(), Some(0.0));
    let take = tried["take"].as_u64().unwrap();
    assert_eq!(tried["right"].as_bool(), Some(take == 0));
    assert!(outcomes.iter().any(|o| o["command"].as_str().unwrap().contains("lp-ft")), "{tried}");
    let again = world.run(&words[..5]);
    assert!(again.stderr().contains("finished before"), "{}", again.stderr());
    let (text, verdict) = (again.stdout(), tried["verdict"].as_str().unwrap());
    assert!(text.contains("tried on 3 parts of 10 images, left out in turn"), "{text}");
    assert!(text.contains(verdict), "{verdict}: {text}");
}

#[test]
fn the_zoo_is_filtered_by_the_words_of_zoo_list() {
    let world = World::new();
    world.pictures("mine", &["a", "b"], 4);
    world.run(&["advise", "mine", "--zoo", "--max-params many"]).refused(2, &["10M", "zoo list"]);
    world
        .run(&["advise", "mine", "--zoo", "resnet", "--networks", "a"])
        .refused(2, &["--networks"]);
    world.run(&["advise", "mine", "--budget", "soon"]).refused(2, &["90s, 2min or 1h"]);
    // Nothing of what fits is on this machine, and nothing may be fetched.
    let offline = ["advise", "mine", "--zoo", "squeezenet", "--offline"];
    world.run(&offline).refused(2, &["no network is at hand"]);
}
