//! What is installed beside the programs knows the flags that they have, and no others.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

const PROGRAMS: [(&str, &str, &str); 2] = [
    ("smoltalk", env!("CARGO_BIN_EXE_smoltalk"), "man/smoltalk.1"),
    ("smoltalkd", env!("CARGO_BIN_EXE_smoltalkd"), "man/smoltalkd.8"),
];

/// What has a help and a man page: the programs, and one more way to start the first.
const PAGES: [(&str, &[&str], &str); 3] = [
    ("smoltalk", &[PROGRAMS[0].1], PROGRAMS[0].2),
    ("smoltalkd", &[PROGRAMS[1].1], PROGRAMS[1].2),
    ("smoltalk direct", &[PROGRAMS[0].1, "direct"], "man/smoltalk-direct.1"),
];

type Flags = BTreeSet<String>;

fn help(command: &[&str]) -> String {
    let output = Command::new(command[0]).args(&command[1..]).arg("--help").output();
    let output = output.expect("it runs");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The flags that `--help` lists, with their dashes.
fn flags(command: &[&str]) -> Flags {
    let help = help(command);
    let (_, options) = help.split_once("\nOptions:\n").expect("options");
    let (options, _) = options.split_once("\n\n").expect("something after them");
    let listed = options.lines().filter(|line| line.starts_with("  -"));
    let words = listed.flat_map(|line| line.split([' ', ',']).take_while(|word| is_flag(word)));
    words.filter(|word| !word.is_empty()).map(String::from).collect()
}

/// Whether a word can stand among the flags of a line: the separators leave empty ones.
fn is_flag(word: &str) -> bool {
    word.is_empty() || word.starts_with('-')
}

fn file(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All words of `text` that are flags.
fn words(text: &str) -> Flags {
    let parts = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    let long = |word: &&str| word.starts_with("--") && word.len() > 2;
    let short = |word: &&str| word.len() == 2 && word.starts_with('-') && !word.ends_with('-');
    parts.filter(|word| long(word) || short(word)).map(String::from).collect()
}

#[test]
fn the_help_is_complete_and_fits_a_narrow_terminal() {
    for (program, command, _) in PAGES {
        let help = help(command);
        for part in ["Usage:", "Options:", "Examples:", "Notes:", "Error codes:", "  2 called"] {
            assert!(help.contains(part), "{program}: {part}");
        }
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{program}: {line}");
            assert_eq!(line, line.trim_end(), "{program}");
        }
    }
}

#[test]
fn each_man_page_lists_the_flags_of_its_program() {
    for (program, command, page) in PAGES {
        let page = file(page);
        let items = page.lines().filter(|line| line.starts_with(".It Fl "));
        let documented: Flags = items
            .flat_map(|line| line.split("Fl ").skip(1))
            .map(|flag| format!("-{}", flag.split(' ').next().unwrap_or_default()))
            .collect();
        assert_eq!(documented, flags(command), "{program}");
        let (_, synopsis) = page.split_once(".Sh SYNOPSIS").expect("a synopsis");
        let (synopsis, _) = synopsis.split_once(".Sh").expect("something after it");
        for flag in flags(command) {
            let written = format!("Fl {}", &flag[1..]);
            assert!(synopsis.contains(&written), "{program}: no {flag} in the synopsis");
        }
    }
}

#[test]
fn each_man_page_lists_the_exit_codes_of_its_program() {
    for (program, command, page) in PAGES {
        let (page, help) = (file(page), help(command));
        let (_, listed) = page.split_once(".Sh EXIT STATUS").expect("a section");
        let (listed, _) = listed.split_once(".El").expect("a list");
        let documented: Vec<&str> =
            listed.lines().filter_map(|line| line.strip_prefix(".It ")).collect();
        let (_, codes) = help.split_once("Error codes:\n").expect("a section");
        let codes: Vec<&str> = codes.lines().filter_map(|line| line.trim().get(..1)).collect();
        assert_eq!(documented, codes, "{program}");
    }
}

#[test]
fn bash_completes_the_flags() {
    for (program, binary, _) in PROGRAMS {
        let script = file(&format!("completions/{program}.bash"));
        let (_, list) = script.split_once("local flags='").expect("a list");
        let (list, _) = list.split_once('\'').expect("the end of it");
        assert_eq!(words(list), flags(&[binary]), "{program}");
        let complete = format!(
            "source completions/{program}.bash && COMP_WORDS=({program} '') COMP_CWORD=1 \
             && _{program} && echo \"${{COMPREPLY[@]}}\""
        );
        let mut bash = Command::new("bash");
        bash.current_dir(env!("CARGO_MANIFEST_DIR")).args(["-c", &complete]);
        match bash.output() {
            Ok(output) => {
                let offered = String::from_utf8(output.stdout).expect("UTF-8");
                assert_eq!(words(&offered), flags(&[binary]), "{program}");
            }
            Err(_) => eprintln!("skipped: there is no bash"),
        }
    }
}

#[test]
fn zsh_completes_the_flags() {
    for (program, binary, _) in PROGRAMS {
        let script = file(&format!("completions/_{program}"));
        assert!(script.starts_with(&format!("#compdef {program}\n")));
        // A flag is followed by what it does, or stands in braces.
        let specs = script.lines().filter(|line| line.trim_start().starts_with('\''));
        let heads = specs.map(|line| line.split('[').next().unwrap_or_default());
        assert_eq!(words(&heads.collect::<Vec<_>>().join("\n")), flags(&[binary]), "{program}");
    }
}

#[test]
fn fish_completes_the_flags() {
    for (program, binary, _) in PROGRAMS {
        let script = file(&format!("completions/{program}.fish"));
        let mut offered = Flags::new();
        for line in script.lines().filter(|line| line.starts_with("complete ")) {
            let words: Vec<&str> = line.split(' ').collect();
            assert_eq!(words[..3], ["complete", "-c", program]);
            offered.extend(words.windows(2).filter_map(|pair| match pair[0] {
                "-s" => Some(format!("-{}", pair[1])),
                "-l" => Some(format!("--{}", pair[1])),
                _ => None,
            }));
        }
        assert_eq!(offered, flags(&[binary]), "{program}");
    }
}
