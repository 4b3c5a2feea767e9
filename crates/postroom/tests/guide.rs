//! The guide, executed: its pages in their order, in one project. Files are written as the page says,
//! commands are run with the real binary, and what they print is held against the page. `BLESS=1`
//! writes down what they print. A block that nothing executes is a failure.

#[path = "guide/book.rs"]
mod book;
mod harness;
#[path = "guide/page.rs"]
mod page;
#[path = "guide/reader.rs"]
mod reader;
#[path = "guide/told.rs"]
mod told;

use page::{Block, Kind};
use reader::Reader;

#[test]
#[allow(clippy::disallowed_methods, reason = "whoever runs the test says whether it blesses")]
fn every_snippet_of_the_guide_does_what_the_page_says() {
    let bless = std::env::var_os("BLESS").is_some();
    let mut reader = Reader::new();
    let mut wrong = Vec::new();
    for name in book::pages() {
        let text = book::text(&name);
        let blocks = page::blocks(&name, &text);
        assert!(!blocks.is_empty(), "{name} shows nothing");
        let mut new = Vec::new();
        for (index, block) in blocks.iter().enumerate() {
            let place = format!("docs/guide/{name}:{}", block.line);
            let shows = index > 0 && blocks[index - 1].kind != Kind::Told;
            assert!(block.kind != Kind::Told || shows, "{place}: nothing prints this");
            let next = blocks.get(index + 1).filter(|next| next.kind == Kind::Told);
            let came = play(&mut reader, block, &place, next.is_some());
            let Some(next) = next else { continue };
            assert!(!came.is_empty(), "{place}: nothing is printed here, and the page shows it");
            if !told::fits(&next.text, &came.concat()) {
                let new_text: String = came.iter().map(|came| told::blessed(came)).collect();
                let line = next.line;
                wrong.push(format!("{name}:{line} says\n{}\nit is\n{new_text}", next.text));
                new.push((line, new_text));
            }
        }
        reader.stops_serving();
        if bless && !new.is_empty() {
            book::write(&name, &page::replaced(&text, &new));
        }
    }
    assert!(bless || wrong.is_empty(), "{}\nBLESS=1 writes it down", wrong.join("\n"));
}

/// Does what a block says. Gives back what was printed, by command.
fn play(reader: &mut Reader, block: &Block, place: &str, shown: bool) -> Vec<String> {
    match block.kind {
        Kind::File => {
            let (name, text) = block.file(place);
            reader.writes(name, text, place).into_iter().collect()
        }
        Kind::Commands => {
            let commands = block.commands();
            let came = commands.iter().map(|line| reader.runs(line, place));
            let came: Vec<String> = came.filter(|came| !came.is_empty()).collect();
            // What nobody shows must at least have gone well.
            let bad = came.iter().any(|came| came.contains("[exit code"));
            assert!(shown || !bad, "{place}: it fails:\n{}", came.concat());
            came
        }
        // Looked at with the block before it.
        Kind::Told => Vec::new(),
    }
}

#[test]
fn every_page_is_in_the_list_and_none_is_too_long() {
    let list = book::text("README.md");
    for name in book::pages() {
        assert!(list.contains(&format!("]({name})")), "README.md does not list {name}");
        let lines = book::text(&name).lines().count();
        assert!((40..=230).contains(&lines), "{name} has {lines} lines");
    }
}

#[test]
fn outputs_are_compared_but_for_what_varies() {
    let told = "RUN    STATE\nrun_1  dead\n\nended now\nmore\nmore\n";
    for said in [
        told,
        "RUN    STATE\nrun_…    dead\n\nended …\n…\n",
        "…\nmore\n",
        "RUN    STATE\n…\nended now\nmore\nmore\n",
    ] {
        assert!(told::fits(said, told), "{said}");
    }
    for said in ["RUN    STATE\n", "RUN    STATE\nrun_1  dea…d\n…\n", "…\nless\n", &told[1..], ""]
    {
        assert!(!told::fits(said, told), "{said}");
    }
}

#[test]
fn what_varies_is_left_out_of_what_is_written_down() {
    let id = "run_01a213f1bb1b7000bde3cbec5d79dd68";
    let told = format!(
        "RUN                                   STATE  CREATED  TOOK\n{id}  dead   now      18 ms\n\n\
         ended 2026-11-25 18:22:18.925 +00:00 (3 s ago) after 18 ms, 2.00 s\n"
    );
    let blessed = told::blessed(&told);
    assert_eq!(
        blessed,
        "RUN    STATE  CREATED  TOOK\nrun_…  dead   …        …\n\nended … (…) after …, 2.00 s\n"
    );
    assert!(told::fits(&blessed, &told));
}

#[test]
fn blocks_that_nothing_executes_are_refused() {
    for (text, why) in [
        ("```rust\nx\n```\n", "nothing executes"),
        ("```\nx\n```\n", "nothing executes"),
        (" ```sh\nx\n ```\n", "a fence starts its line"),
        ("```sh\nx\n", "never ends"),
    ] {
        let refused = std::panic::catch_unwind(|| page::blocks("p", text)).expect_err(text);
        let words = refused.downcast_ref::<String>().expect("words");
        assert!(words.contains(why), "{words}");
    }
    let words = page::words("p", r#"postroom send A --payload '{"a": "b c"}' --note """#);
    assert_eq!(words, ["postroom", "send", "A", "--payload", r#"{"a": "b c"}"#, "--note", ""]);
}
