//! What is installed beside the programs, and docs, know the flags that they have, and no others.
//!
//! A flag is described in one place: in the struct of a file `flags.rs`, from which argh makes the
//! parser and --help. All the rest is written by hand, in better words, and held to that here.
//! Nothing is listed here either: `src/bin/a/b/flags.rs` is what `a b` is started with.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

type Words = BTreeSet<String>;

/// A program, or another way to start one: what has a help and a man page.
struct Page {
    /// The words that start it.
    words: Vec<String>,
    /// The file that has its flags.
    source: String,
    help: String,
    man: String,
    flags: Vec<Flag>,
}

/// A flag as --help lists it.
struct Flag {
    /// With their dashes, the short one first.
    names: Vec<String>,
    /// The argument that it takes, as the struct names it.
    value: Option<String>,
    /// The first word of its default.
    default: Option<String>,
    /// Only builds with this feature have it.
    feature: Option<String>,
}

fn pages() -> Vec<Page> {
    let bins = root().join("src/bin");
    let mut sources = Vec::new();
    find_flags(&bins, &mut sources);
    let pages: Vec<Page> = sources.iter().map(|source| Page::of(source, &bins)).collect();
    let programs: Words = pages.iter().map(|page| page.words[0].clone()).collect();
    assert_eq!(programs, names("src/bin"), "each program has flags");
    pages
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below `folder` that have flags.
fn find_flags(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            find_flags(&path, found);
        } else if read(&path).contains("derive(FromArgs") {
            assert!(path.ends_with("flags.rs"), "{}: flags belong elsewhere", path.display());
            found.push(path);
        }
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn file(path: &str) -> String {
    read(&root().join(path))
}

/// The names of what is in a folder.
fn names(folder: &str) -> Words {
    let entries = fs::read_dir(root().join(folder)).expect("a folder");
    entries
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
        .collect()
}

impl Page {
    fn of(source: &Path, bins: &Path) -> Self {
        let folder = source.parent().and_then(|folder| folder.strip_prefix(bins).ok());
        let words = folder.expect("below bins").iter().map(|word| word.to_str().expect("a word"));
        let words: Vec<String> = words.map(String::from).collect();
        let source = read(source);
        let source = source.split("#[cfg(test)]").next().unwrap_or_default().to_string();
        let help = help(&words);
        let man = file(&format!("man/{}", man_page(&words)));
        let flags = listed(&help).into_iter().map(|row| Flag::of(&row, &source)).collect();
        Self { words, source, help, man, flags }
    }

    fn name(&self) -> String {
        self.words.join(" ")
    }

    fn program(&self) -> &str {
        &self.words[0]
    }

    /// The word behind the program's, where there is one.
    fn subcommand(&self) -> Option<&str> {
        self.words.get(1).map(String::as_str)
    }

    /// All names of all flags.
    fn flag_names(&self) -> Words {
        self.flags.iter().flat_map(|flag| flag.names.clone()).collect()
    }

    /// A section of the man page, without its title.
    fn section(&self, title: &str) -> &str {
        let (_, section) = self.man.split_once(&format!(".Sh {title}\n")).expect(title);
        section.split(".Sh ").next().unwrap_or_default()
    }

    /// What is written about it for who uses it.
    fn manual(&self) -> String {
        file(&format!("docs/{}.md", self.words.join("-")))
    }
}

/// The man page of what `words` start: daemons are in section 8.
fn man_page(words: &[String]) -> String {
    format!("{}.{}", words.join("-"), if words[0].ends_with('d') { 8 } else { 1 })
}

fn help(words: &[String]) -> String {
    let binary = Path::new(env!("CARGO_BIN_EXE_smoltalkd")).with_file_name(&words[0]);
    let output = Command::new(binary).args(&words[1..]).arg("--help").output().expect("it runs");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The options that a help lists, a line each.
fn listed(help: &str) -> Vec<String> {
    let (_, options) = help.split_once("\nOptions:\n").expect("options");
    let mut rows: Vec<String> = Vec::new();
    for line in options.lines().take_while(|line| !line.is_empty()) {
        match rows.last_mut() {
            Some(row) if !line.starts_with("  -") => row.push_str(&line[1..]),
            _ => rows.push(line.to_string()),
        }
    }
    rows.iter().map(|row| row.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

impl Flag {
    fn of(row: &str, source: &str) -> Self {
        let names = row.split(' ').take_while(|word| word.starts_with('-'));
        let names: Vec<String> = names.map(|name| name.trim_end_matches(',').into()).collect();
        let default = row.split_once("(default: ").map(|(_, default)| default);
        let first = |text: &str| text.split([' ', ',', ')']).next().unwrap_or_default().to_string();
        let long = names.last().expect("a name");
        let value = if long == "--help" { None } else { argument(long, source) };
        Self { default: default.map(first), value, feature: feature(long, source), names }
    }

    /// What it is written as: `--flag ARG`, with `flag` and `argument` to write each with.
    fn written(&self, between: &str, flag: &str, argument: impl Fn(&str) -> String) -> String {
        let names: Vec<String> = self.names.iter().map(|n| format!("{flag}{}", &n[1..])).collect();
        let value = self.value.as_ref().map(|value| format!(" {}", argument(value)));
        names.join(between) + &value.unwrap_or_default()
    }
}

/// The field of `flag`: what stands before its attributes, and from these on.
fn field<'a>(flag: &str, source: &'a str) -> (&'a str, &'a str) {
    let field = format!("{}:", flag.trim_start_matches('-').replace('-', "_"));
    let mut fields = source.match_indices("#[argh(").map(|(at, _)| source.split_at(at));
    let is_it = |(_, after): &(&str, &str)| {
        after.split_once(")]\n").is_some_and(|(_, after)| after.trim_start().starts_with(&field))
    };
    fields.find(is_it).expect("a field for each flag")
}

/// The feature that `flag` belongs to, if it is one's.
fn feature(flag: &str, source: &str) -> Option<String> {
    if ["--help", "--version"].contains(&flag) {
        return None;
    }
    let condition = field(flag, source).0.trim_end().lines().next_back().unwrap_or_default();
    let (_, feature) = condition.split_once("#[cfg(feature = \"")?;
    feature.split('"').next().map(String::from)
}

/// What the field of `flag` says that it takes.
fn argument(flag: &str, source: &str) -> Option<String> {
    let (attributes, _) =
        field(flag, source).1["#[argh(".len()..].split_once(")]\n").expect("an end");
    if attributes.trim_start().starts_with("switch") {
        return None;
    }
    let (_, name) = attributes.split_once("arg_name = \"").expect("a name for each argument");
    name.split('"').next().map(String::from)
}

/// All words of `text` that are flags.
fn flags_in(text: &str) -> Words {
    let parts = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    let long = |word: &&str| word.starts_with("--") && word.len() > 2;
    let short = |word: &&str| word.len() == 2 && word.starts_with('-') && !word.ends_with('-');
    parts.filter(|word| long(word) || short(word)).map(String::from).collect()
}

/// All words of `text` that are variables of ours.
fn variables_in(text: &str) -> Words {
    let parts = text.split(|c: char| !c.is_ascii_uppercase() && c != '_');
    parts.filter(|word| word.starts_with("SMOLTALK_")).map(String::from).collect()
}

/// The words of `text` without what may stand around them.
fn bare_words(text: &str) -> Words {
    let words = text.split([' ', '\n', '`', ',', ';', '|']);
    words.map(|word| word.trim_end_matches('.').to_string()).collect()
}

#[test]
fn what_is_in_the_folders_belongs_to_a_program_and_is_installed() {
    let pages = pages();
    let mans: Words = pages.iter().map(|page| man_page(&page.words)).collect();
    assert_eq!(mans, names("man"));
    let programs = pages.iter().map(Page::program);
    let files =
        |program| [format!("_{program}"), format!("{program}.bash"), format!("{program}.fish")];
    let completions: Words = programs.flat_map(files).collect();
    assert_eq!(completions, names("completions"));
    let makefile = file("Makefile");
    let (_, install) = makefile.split_once("\ninstall:").expect("a target");
    let (install, uninstall) = install.split_once("\nuninstall:").expect("a target");
    for page in mans {
        assert!(install.contains(&format!("man/{page} ")), "{page} is not installed");
        assert!(uninstall.contains(&format!("/{page}")), "{page} stays");
    }
    for script in completions {
        assert!(install.contains(&format!("completions/{script} ")), "{script} is not installed");
        assert!(
            uninstall.contains(&format!("/{}", script.trim_end_matches(".bash"))),
            "{script} stays"
        );
    }
}

/// Where the Debian package puts each file that it has.
fn packaged() -> BTreeMap<String, String> {
    let manifest = file("Cargo.toml");
    let (_, assets) = manifest.split_once("\nassets = [\n").expect("what is packaged");
    let (assets, _) = assets.split_once("\n]\n").expect("its end");
    let asset = |line: &str| {
        let words: Vec<&str> = line.split('"').collect();
        let [_, from, _, to, ..] = words[..] else { panic!("{line}") };
        let name = from.rsplit('/').next().expect("a name");
        (from.to_string(), if to.ends_with('/') { format!("{to}{name}") } else { to.to_string() })
    };
    assets.lines().map(asset).collect()
}

#[test]
fn the_debian_package_has_all_that_is_installed_where_debian_looks_for_it() {
    let mut packaged = packaged();
    let mut has = |from: String, to: String| {
        assert_eq!(packaged.remove(&from), Some(to), "{from}");
    };
    for program in names("src/bin") {
        has(format!("target/release/{program}"), format!("usr/bin/{program}"));
    }
    for page in names("man") {
        let section = page.rsplit('.').next().expect("a section");
        has(format!("man/{page}"), format!("usr/share/man/man{section}/{page}"));
    }
    for script in names("completions") {
        let folder = match script.rsplit_once('.') {
            Some((program, "bash")) => format!("bash-completion/completions/{program}"),
            Some((_, _)) => format!("fish/vendor_completions.d/{script}"),
            None => format!("zsh/vendor-completions/{script}"),
        };
        has(format!("completions/{script}"), format!("usr/share/{folder}"));
    }
    for unit in ["smoltalkd.service", "smoltalkd@.service", "smoltalkd.socket"] {
        has(format!("deploy/{unit}"), format!("lib/systemd/system/{unit}"));
    }
    let doc = "usr/share/doc/smoltalk";
    has("target/release/THIRD-PARTY.gz".into(), format!("{doc}/THIRD-PARTY.gz"));
    for page in ["smoltalkd", "tls", "history", "nodes"] {
        has(format!("docs/{page}.md"), format!("{doc}/{page}.md"));
    }
    for watch in ["grafana.json", "alerts.yaml"] {
        has(format!("deploy/{watch}"), format!("{doc}/{watch}"));
    }
    // The rest is there, too.
    for from in packaged.keys() {
        assert!(root().join(from).is_file(), "{from}");
    }
    let changelog = file("deploy/deb/changelog");
    let first = format!("smoltalk ({}-1) ", env!("CARGO_PKG_VERSION"));
    assert!(changelog.starts_with(&first), "{changelog}");
}

#[test]
fn what_starts_a_server_starts_it_with_flags_that_it_has() {
    let server = pages().into_iter().find(|page| page.name() == "smoltalkd").expect("a server");
    for (path, starts) in [
        ("deploy/smoltalkd.service", ["  -", "  $"].as_slice()),
        ("deploy/smoltalkd@.service", &["  -", "  $"]),
        ("deploy/deb/smoltalkd.default", &["#SMOLTALKD_FLAGS="]),
        ("docs/smoltalkd.md", &["SMOLTALKD_FLAGS="]),
        ("docs/nodes.md", &["  --", "  $"]),
        ("deploy/Containerfile", &["HEALTHCHECK ", "ENTRYPOINT ", "CMD "]),
        ("deploy/compose.yaml", &["  command: ["]),
    ] {
        let text = file(path);
        let says = |line: &&str| starts.iter().any(|start| line.starts_with(start));
        let said: Vec<&str> = text.lines().filter(says).collect();
        let commands =
            said.iter().map(|line| line.split_once(" CMD ").map_or(*line, |(_, command)| command));
        let used: Words = commands.flat_map(flags_in).collect();
        assert!(!used.is_empty() && used.is_subset(&server.flag_names()), "{path}: {used:?}");
    }
    let unit = file("deploy/smoltalkd.service");
    let command = |text: &str| -> Words {
        let line = |line: &&str| line.starts_with("  --");
        text.lines().filter(line).map(str::to_string).collect()
    };
    let (unit_has, node_has) = (command(&unit), command(&file("docs/nodes.md")));
    let journal: Words = unit_has.difference(&node_has).cloned().collect();
    assert_eq!(journal.len(), 1, "a node of the package differs: {journal:?}");
    assert!(journal.iter().all(|line| line.starts_with("  --journal ")), "in {journal:?}");
    assert!(node_has.is_subset(&unit_has), "a node of the package has more");
    assert!(unit.contains("ExecStart=/usr/bin/smoltalkd "), "where the package has it");
    assert!(
        file("Makefile").contains("s|/usr/bin|$(PREFIX)/bin|"),
        "and who installs it, otherwise"
    );
}

#[test]
fn one_room_of_several_differs_from_the_only_one_by_its_name() {
    let lines = |path: &str| -> Vec<String> { file(path).lines().map(String::from).collect() };
    let (only, one) = (lines("deploy/smoltalkd.service"), lines("deploy/smoltalkd@.service"));
    // What stands in both, in its order, is all but what names the room or is for one alone.
    let is_shared = |line: &&String| {
        let own = ["smoltalk/", "=smoltalk", "/etc/default/", "  --metrics ", "# "];
        !own.iter().any(|own| line.contains(own)) && !line.contains("%i")
    };
    let shared = |lines: &[String]| -> Vec<String> {
        lines.iter().skip(1).filter(is_shared).cloned().collect()
    };
    assert_eq!(shared(&one), shared(&only));
    let named: Vec<String> = one.iter().filter(|line| line.contains("%i")).cloned().collect();
    assert_eq!(named.len(), 8, "{named:?}");
    assert!(named.iter().any(|line| line == "User=smoltalkd-%i"), "each is a user of its own");
    for line in named.iter().filter(|line| line.contains("smoltalk-%i")) {
        assert!(only.contains(&line.replace("smoltalk-%i", "smoltalk")), "{line}");
    }
}

#[test]
fn what_others_run_for_us_is_pinned() {
    for name in names(".github/workflows") {
        let workflow = file(&format!(".github/workflows/{name}"));
        let used = workflow.lines().filter_map(|line| line.split_once("uses: "));
        for action in used.map(|(_, action)| action).filter(|action| !action.starts_with("./")) {
            let (_, at) = action.split_once('@').expect(action);
            let commit = at.split(' ').next().unwrap_or_default();
            let is_commit = commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit());
            assert!(is_commit, "{name}: {action} may become something else");
        }
    }
    let oldest = concat!("rustup toolchain install ", env!("CARGO_PKG_RUST_VERSION"), " ");
    assert!(file(".github/workflows/ci.yml").contains(oldest), "it is tried with {oldest}");
}

#[test]
fn the_help_is_complete_and_fits_a_narrow_terminal() {
    for page in pages() {
        for part in ["Usage:", "Options:", "Examples:", "Notes:", "Exit status:", "  2 called"] {
            assert!(page.help.contains(part), "{}: {part}", page.name());
        }
        for line in page.help.lines() {
            assert!(line.chars().count() <= 80, "{}: {line}", page.name());
            assert_eq!(line, line.trim_end(), "{}", page.name());
        }
    }
}

#[test]
fn each_man_page_lists_the_flags_of_its_program() {
    for page in pages() {
        let items = page.man.lines().filter(|line| line.starts_with(".It Fl "));
        let documented: Words = items.map(|line| line[4..].replace(" Op ", " ")).collect();
        let written = |flag: &Flag| flag.written(" , ", "Fl ", |value| format!("Ar {value}"));
        let flags: Words = page.flags.iter().map(written).collect();
        assert_eq!(documented, flags, "{}", page.name());
    }
}

#[test]
fn a_flag_that_not_all_builds_have_is_said_to_be_one_wherever_it_is_described() {
    for page in pages() {
        for flag in &page.flags {
            let Some(feature) = &flag.feature else { continue };
            let long = flag.names.last().expect("a name");
            let (program, word) = (page.program(), &long[2..]);
            let zsh = file(&format!("completions/_{program}"));
            let fish = file(&format!("completions/{program}.fish"));
            let described = [
                (
                    page.manual(),
                    format!("| `{long}{}", if flag.value.is_some() { ' ' } else { '`' }),
                    format!("Builds with the feature `{feature}` |"),
                ),
                (zsh, format!("'{long}["), format!("(feature {feature})]")),
                (fish, format!(" -l {word} "), format!("(feature {feature})'")),
            ];
            for (text, start, said) in described {
                let line = text.lines().find(|line| line.contains(&start));
                assert!(line.is_some_and(|line| line.contains(&said)), "{start} {said}");
            }
            let item = page
                .man
                .split(".It Fl -")
                .find(|item| item.split_whitespace().next() == Some(word));
            let said = format!("Builds with the feature {feature} have it");
            assert!(item.is_some_and(|item| item.contains(&said)), "{}: {long}", page.name());
        }
    }
}

#[test]
fn each_synopsis_has_the_flags_of_its_program() {
    for page in pages() {
        let synopsis = page.section("SYNOPSIS").replace(" Op ", " ");
        for flag in &page.flags {
            let written = flag.written(" | ", "Fl ", |value| format!("Ar {value}"));
            let is_there =
                synopsis.lines().any(|line| format!("{line} ").contains(&format!("{written} ")));
            assert!(is_there, "{}: no {written}", page.name());
        }
        let flags = synopsis.split("Fl ").skip(1);
        let flags =
            flags.map(|flag| format!("-{}", flag.split([' ', '\n']).next().unwrap_or_default()));
        assert_eq!(flags.collect::<Words>(), page.flag_names(), "{}", page.name());
    }
}

#[test]
fn each_man_page_has_the_defaults_of_its_program() {
    for page in pages() {
        for flag in page.flags.iter().filter(|flag| flag.default.is_some()) {
            let item = format!(".It {}", flag.written(" , ", "Fl ", |value| format!("Ar {value}")));
            let (_, text) = page.man.split_once(&format!("{item}\n")).expect("an item");
            let text = text.split(".It ").next().unwrap_or_default();
            let default = flag.default.clone().expect("one");
            assert!(bare_words(text).contains(&default), "{} {item}: {default}", page.name());
        }
    }
}

#[test]
fn each_man_page_lists_the_exit_codes_of_its_program() {
    for page in pages() {
        let (listed, _) = page.section("EXIT STATUS").split_once(".El").expect("a list");
        let documented: Vec<&str> =
            listed.lines().filter_map(|line| line.strip_prefix(".It ")).collect();
        let (_, codes) = page.help.split_once("Exit status:\n").expect("a section");
        let codes: Vec<&str> = codes.lines().filter_map(|line| line.trim().get(..1)).collect();
        assert_eq!(documented, codes, "{}", page.name());
    }
}

#[test]
fn the_variables_that_are_read_are_documented_everywhere() {
    for page in pages() {
        let read = variables_in(&page.source);
        assert_eq!(variables_in(&page.help), read, "{} --help", page.name());
        assert_eq!(variables_in(page.section("ENVIRONMENT")), read, "{}", man_page(&page.words));
        assert_eq!(variables_in(&page.manual()), read, "docs on {}", page.name());
    }
}

/// The rows of a chapter's table of flags, a cell each.
fn table(chapter: &str) -> Vec<Vec<&str>> {
    let rows = chapter.lines().filter(|line| line.starts_with("| `-"));
    rows.map(|row| row.split('|').map(str::trim).collect()).collect()
}

#[test]
fn each_table_of_flags_in_docs_is_complete_and_has_the_defaults() {
    for page in pages() {
        let chapter = page.manual();
        let rows = table(&chapter);
        if rows.is_empty() {
            tells_of_the_flags(&page, &chapter);
            continue;
        }
        let quoted = rows.iter().flat_map(|row| row[1].split('`').skip(1).step_by(2));
        let written = page.flags.iter().map(|flag| flag.written("`", "-", str::to_uppercase));
        let written: Vec<String> = written.collect();
        let flags: BTreeSet<&str> = written.iter().flat_map(|names| names.split('`')).collect();
        assert_eq!(quoted.collect::<BTreeSet<_>>(), flags, "docs on {}", page.name());
        for flag in &page.flags {
            let Some(default) = &flag.default else { continue };
            let long = flag.names.last().expect("a name");
            let row = rows.iter().find(|row| flags_in(row[1]).contains(long)).expect("a row");
            assert!(bare_words(&row[2..].join(" ")).contains(default), "docs: {long} {default}");
        }
    }
}

/// Where there is no table: the chapter names the flags that need to be told of, and no others.
fn tells_of_the_flags(page: &Page, chapter: &str) {
    let mut expected = page.flag_names();
    let told = flags_in(chapter);
    assert!(told.is_subset(&expected), "docs on {}: {told:?}", page.name());
    expected.retain(|flag| flag.len() > 2 && !["--help", "--version"].contains(&flag.as_str()));
    assert!(told.is_superset(&expected), "docs on {}: {told:?}", page.name());
}

/// What bash offers behind `words`, the last of which is being typed.
fn bash_offers(words: &[&str]) -> Option<Words> {
    let program = words[0];
    let script = format!(
        "source completions/{program}.bash && COMP_WORDS=(\"$@\") && COMP_CWORD=$(($# - 1)) \
         && _{program} && echo \"${{COMPREPLY[@]}}\""
    );
    let mut bash = Command::new("bash");
    let Ok(output) = bash.current_dir(root()).args(["-c", &script, "bash"]).args(words).output()
    else {
        eprintln!("skipped: there is no bash");
        return None;
    };
    assert!(output.status.success(), "{words:?}");
    Some(flags_in(&String::from_utf8(output.stdout).expect("UTF-8")))
}

#[test]
fn bash_completes_the_flags_but_not_in_place_of_an_argument() {
    for page in pages() {
        let command: Vec<&str> = page.words.iter().map(String::as_str).collect();
        let Some(offered) = bash_offers(&[&command[..], &[""]].concat()) else { return };
        assert_eq!(offered, page.flag_names(), "{}", page.name());
        for flag in &page.flags {
            let written = flag.written(" , ", "Fl ", |value| format!("Op Ar {value}"));
            let may_be_left_out = page.man.contains(&format!(".It {written}\n"));
            for name in &flag.names {
                let offered = bash_offers(&[&command[..], &[name, ""]].concat()).expect("bash");
                let takes_one = flag.value.is_some() && !may_be_left_out;
                assert_eq!(offered.is_empty(), takes_one, "{} {name}", page.name());
            }
        }
    }
}

/// A flag as a script for completion has it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Completion {
    names: Words,
    takes_an_argument: bool,
}

impl Page {
    fn completions(&self) -> BTreeSet<Completion> {
        let completion = |flag: &Flag| Completion {
            names: flag.names.iter().cloned().collect(),
            takes_an_argument: flag.value.is_some(),
        };
        self.flags.iter().map(completion).collect()
    }
}

/// The part of zsh's script that is about `page`.
fn zsh_part(page: &Page) -> String {
    let script = file(&format!("completions/_{}", page.program()));
    assert!(script.starts_with(&format!("#compdef {}\n", page.program())));
    let of_subcommand = page.subcommand().map(|word| format!("== {word} ]]; then\n"));
    match of_subcommand {
        Some(start) => script.split_once(&start).and_then(|(_, part)| part.split_once("\nfi\n")),
        None => script.rsplit_once("\nfi\n").map(|(_, part)| (part, "")),
    }
    .map_or(script.clone(), |(part, _)| part.to_string())
}

#[test]
fn zsh_completes_the_flags() {
    for page in pages() {
        // A flag is followed by what it does, and that by what it takes.
        let part = zsh_part(&page);
        let specs = part.lines().filter_map(|line| line.trim_start().split_once('['));
        let offered = specs.map(|(names, rest)| Completion {
            names: flags_in(names),
            takes_an_argument: rest.split_once(']').expect("its end").1.starts_with(':'),
        });
        assert_eq!(offered.collect::<BTreeSet<_>>(), page.completions(), "{}", page.name());
    }
}

#[test]
fn fish_completes_the_flags() {
    for page in pages() {
        let script = file(&format!("completions/{}.fish", page.program()));
        let of_subcommand =
            page.subcommand().map(|word| format!("__fish_seen_subcommand_from {word}"));
        let is_ours = |line: &&str| match line.split_once(" -n '") {
            None => true,
            Some((_, condition)) => match &of_subcommand {
                Some(seen) => condition.starts_with(seen),
                None => condition.starts_with("not __fish_seen_subcommand_from "),
            },
        };
        let lines = script.lines().filter(|line| line.starts_with("complete ")).filter(is_ours);
        let offered = lines.filter_map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            assert_eq!(words[..3], ["complete", "-c", page.program()]);
            let names = words.windows(2).filter_map(|pair| match pair[0] {
                "-s" => Some(format!("-{}", pair[1])),
                "-l" => Some(format!("--{}", pair[1])),
                _ => None,
            });
            let names: Words = names.collect();
            let takes_an_argument = words.contains(&"-x") || words.contains(&"-r");
            (!names.is_empty()).then_some(Completion { names, takes_an_argument })
        });
        assert_eq!(offered.collect::<BTreeSet<_>>(), page.completions(), "{}", page.name());
    }
}
