//! Makes `src/method.rs` and what is under it of `methods.txt`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

/// A class of the table.
pub(crate) struct Class {
    pub(crate) name: String,
    pub(crate) id: u16,
    pub(crate) methods: Vec<Method>,
}

pub(crate) struct Method {
    pub(crate) name: String,
    pub(crate) id: u16,
    pub(crate) sender: String,
    pub(crate) has_content: bool,
    pub(crate) fields: Vec<Field>,
}

pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) is_reserved: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Bit,
    Octet,
    Short,
    Long,
    Longlong,
    Shortstr,
    Longstr,
    Secret,
    Table,
}

impl Kind {
    fn parse(text: &str) -> Self {
        match text {
            "bit" => Self::Bit,
            "octet" => Self::Octet,
            "short" => Self::Short,
            "long" => Self::Long,
            "longlong" => Self::Longlong,
            "shortstr" => Self::Shortstr,
            "longstr" => Self::Longstr,
            "secret" => Self::Secret,
            "table" => Self::Table,
            other => panic!("no type {other}"),
        }
    }

    fn rust(self) -> &'static str {
        match self {
            Self::Bit => "bool",
            Self::Octet => "u8",
            Self::Short => "u16",
            Self::Long => "u32",
            Self::Longlong => "u64",
            Self::Shortstr => "ShortStr<'a>",
            Self::Longstr => "&'a [u8]",
            Self::Secret => "Secret<'a>",
            Self::Table => "Table<'a>",
        }
    }

    fn reader(self) -> &'static str {
        match self {
            Self::Bit | Self::Octet => "octet",
            Self::Short => "short",
            Self::Long => "long",
            Self::Longlong => "longlong",
            Self::Shortstr => "shortstr",
            Self::Longstr => "longstr",
            Self::Secret => "secret",
            Self::Table => "table",
        }
    }

    /// What appends a value.
    fn put(self, value: &str) -> String {
        match self {
            Self::Bit => unreachable!("bits are put together"),
            Self::Octet => format!("buffer.put_u8({value});"),
            Self::Short => format!("buffer.put_u16({value});"),
            Self::Long => format!("buffer.put_u32({value});"),
            Self::Longlong => format!("buffer.put_u64({value});"),
            Self::Shortstr => format!("buffer.put_shortstr({value});"),
            Self::Longstr => format!("buffer.put_longstr({value});"),
            Self::Secret => format!("buffer.put_longstr({value}.0);"),
            Self::Table => format!("buffer.put_longstr({value}.as_bytes());"),
        }
    }

    /// The value of a field that says nothing.
    fn nothing(self) -> &'static str {
        match self {
            Self::Bit => "false",
            Self::Octet | Self::Short | Self::Long | Self::Longlong => "0",
            Self::Shortstr => "ShortStr::EMPTY",
            Self::Longstr => "&[]",
            Self::Secret | Self::Table => unreachable!("none of these is reserved"),
        }
    }
}

/// `no-wait` as `no_wait`.
fn snake(name: &str) -> String {
    match name {
        "type" | "return" => format!("r#{name}"),
        _ => name.replace('-', "_"),
    }
}

/// `start-ok` as `StartOk`.
fn camel(name: &str) -> String {
    let part = |part: &str| part[..1].to_uppercase() + &part[1..];
    name.split('-').map(part).collect()
}

/// The classes of the table.
pub(crate) fn parse(table: &str) -> Vec<Class> {
    let mut classes: Vec<Class> = Vec::new();
    for line in table
        .lines()
        .filter(|it| !it.is_empty() && !it.starts_with('#'))
    {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_field = line.starts_with(' ');
        match (is_field, words.as_slice()) {
            (false, ["class", name, id]) => classes.push(Class {
                name: (*name).into(),
                id: id.parse().unwrap(),
                methods: Vec::new(),
            }),
            (false, [name, id, sender, content @ ..]) => {
                classes.last_mut().unwrap().methods.push(Method {
                    name: (*name).into(),
                    id: id.parse().unwrap(),
                    sender: (*sender).into(),
                    has_content: content == ["content"],
                    fields: Vec::new(),
                });
            }
            (true, [name, kind, reserved @ ..]) => {
                let method = classes.last_mut().unwrap().methods.last_mut().unwrap();
                method.fields.push(Field {
                    name: (*name).into(),
                    kind: Kind::parse(kind),
                    is_reserved: reserved == ["reserved"],
                });
            }
            _ => panic!("cannot read {line:?}"),
        }
    }
    classes
}

impl Method {
    fn lifetime(&self) -> &'static str {
        let borrows = |it: &Field| !it.is_reserved && it.kind.rust().contains("'a");
        if self.fields.iter().any(borrows) {
            "<'a>"
        } else {
            ""
        }
    }

    /// The fields in groups: bits that stand side by side go into one octet.
    pub(crate) fn groups(&self) -> Vec<&[Field]> {
        let both_bits = |a: &Field, b: &Field| a.kind == Kind::Bit && b.kind == Kind::Bit;
        self.fields.chunk_by(both_bits).collect()
    }

    fn write(&self, class: &Class, text: &mut String) {
        let (name, life) = (camel(&self.name), self.lifetime());
        let fields: Vec<&Field> = self.fields.iter().filter(|it| !it.is_reserved).collect();
        let sender = match self.sender.as_str() {
            "both" => "either side",
            "client" => "a client",
            _ => "the server",
        };
        let content = if self.has_content {
            ", with a content"
        } else {
            ""
        };
        writeln!(
            text,
            "/// `{}.{}`, sent by {sender}{content}.",
            class.name, self.name
        )
        .unwrap();
        writeln!(text, "#[derive(Clone, Copy, Debug, PartialEq, Eq)]").unwrap();
        if fields.iter().filter(|it| it.kind == Kind::Bit).count() > 3 {
            let reason = "the bits of the specification";
            writeln!(
                text,
                "#[expect(clippy::struct_excessive_bools, reason = \"{reason}\")]"
            )
            .unwrap();
        }
        if fields.is_empty() {
            writeln!(text, "pub struct {name};\n").unwrap();
        } else {
            writeln!(text, "pub struct {name}{life} {{").unwrap();
            for field in &fields {
                writeln!(text, "/// `{}`.", field.name).unwrap();
                writeln!(text, "pub {}: {},", snake(&field.name), field.kind.rust()).unwrap();
            }
            writeln!(text, "}}\n").unwrap();
        }
        writeln!(text, "impl{life} {name}{life} {{").unwrap();
        writeln!(text, "/// Its numbers.").unwrap();
        writeln!(
            text,
            "pub const ID: MethodId = MethodId::new(CLASS_ID, {});\n",
            self.id
        )
        .unwrap();
        self.write_read(&fields, life, text);
        self.write_put(text);
        writeln!(text, "}}\n").unwrap();
    }

    fn write_read(&self, fields: &[&Field], life: &str, text: &mut String) {
        let reader = if self.fields.is_empty() {
            "_"
        } else {
            "reader"
        };
        let read_life = if life.is_empty() { "<'_>" } else { "<'a>" };
        writeln!(text, "#[inline]").unwrap();
        if self.fields.is_empty() {
            let reason = "all methods are read alike";
            writeln!(
                text,
                "#[expect(clippy::unnecessary_wraps, reason = \"{reason}\")]"
            )
            .unwrap();
        }
        writeln!(
            text,
            "pub(crate) fn read({reader}: &mut Reader{read_life}) -> Result<Self, Problem> {{"
        )
        .unwrap();
        let mut bits = BTreeMap::new();
        for group in self.groups() {
            let first = &group[0];
            let read = format!("reader.{}(\"{}\")?", first.kind.reader(), first.name);
            if first.kind == Kind::Bit {
                let has_meaning = group.iter().any(|it| !it.is_reserved);
                let place = if has_meaning { "let bits = " } else { "" };
                writeln!(text, "{place}{read};").unwrap();
                for (at, field) in group.iter().enumerate() {
                    bits.insert(field.name.as_str(), 1_u8 << at);
                }
            } else if first.is_reserved {
                writeln!(text, "{read};").unwrap();
            } else {
                writeln!(text, "let {} = {read};", snake(&first.name)).unwrap();
            }
        }
        if fields.is_empty() {
            writeln!(text, "Ok(Self)").unwrap();
        } else {
            writeln!(text, "Ok(Self {{").unwrap();
            for field in fields {
                match bits.get(field.name.as_str()) {
                    Some(bit) => {
                        writeln!(text, "{}: bits & {bit} != 0,", snake(&field.name)).unwrap();
                    }
                    None => writeln!(text, "{},", snake(&field.name)).unwrap(),
                }
            }
            writeln!(text, "}})").unwrap();
        }
        writeln!(text, "}}\n").unwrap();
    }

    fn write_put(&self, text: &mut String) {
        let buffer = if self.fields.is_empty() {
            "_"
        } else {
            "buffer"
        };
        writeln!(text, "#[inline]").unwrap();
        writeln!(text, "pub(crate) fn put(&self, {buffer}: &mut BytesMut) {{").unwrap();
        for group in self.groups() {
            let value = |field: &Field| {
                if field.is_reserved {
                    field.kind.nothing().to_owned()
                } else {
                    format!("self.{}", snake(&field.name))
                }
            };
            if group[0].kind == Kind::Bit {
                let bits: Vec<String> = group.iter().map(value).collect();
                writeln!(text, "buffer.put_bits(&[{}]);", bits.join(", ")).unwrap();
            } else {
                writeln!(text, "{}", group[0].kind.put(&value(&group[0]))).unwrap();
            }
        }
        writeln!(text, "}}").unwrap();
    }
}

fn class_source(class: &Class) -> String {
    let mut body = String::new();
    for method in &class.methods {
        method.write(class, &mut body);
    }
    let mut text = format!(
        "//! The methods of the class `{}`. Made from `methods.txt`.\n\n",
        class.name
    );
    let mut ours = vec!["MethodId"];
    for name in ["Secret", "ShortStr", "Table"] {
        if body.contains(&format!("{name}<")) || body.contains(&format!("{name}::")) {
            ours.push(name);
        }
    }
    if body.contains("buffer.put_shortstr")
        || body.contains("buffer.put_longstr")
        || body.contains("buffer.put_bits")
    {
        text.push_str("use crate::encode::PutFields;\n");
    }
    text.push_str("use crate::read::Reader;\nuse crate::violation::Problem;\n");
    if let [only] = ours.as_slice() {
        writeln!(text, "use crate::{only};").unwrap();
    } else {
        writeln!(text, "use crate::{{{}}};", ours.join(", ")).unwrap();
    }
    if body.contains("buffer.put_u") {
        text.push_str("use bytes::{BufMut, BytesMut};\n");
    } else {
        text.push_str("use bytes::BytesMut;\n");
    }
    write!(
        text,
        "\n/// Its number.\npub const CLASS_ID: u16 = {};\n\n{body}",
        class.id
    )
    .unwrap();
    text
}

fn enum_source(classes: &[Class]) -> String {
    let mut text = String::from("//! All methods. Made from `methods.txt`.\n\n");
    let mut modules: Vec<&str> = classes.iter().map(|it| it.name.as_str()).collect();
    modules.sort_unstable();
    for module in modules {
        writeln!(text, "pub mod {module};").unwrap();
    }
    text.push_str(
        "\nuse crate::read::Reader;\nuse crate::violation::Problem;\nuse crate::{MethodId, Side};\n\
         use bytes::BytesMut;\n\n/// A method, by its class and name.\n\
         #[derive(Clone, Copy, Debug, PartialEq, Eq)]\npub enum Method<'a> {\n",
    );
    let all = || {
        classes
            .iter()
            .flat_map(|class| class.methods.iter().map(move |it| (class, it)))
    };
    let variant = |class: &Class, it: &Method| camel(&class.name) + &camel(&it.name);
    for (class, it) in all() {
        writeln!(text, "/// `{}.{}`.", class.name, it.name).unwrap();
        let path = format!("{}::{}{}", class.name, camel(&it.name), it.lifetime());
        writeln!(text, "{}({path}),", variant(class, it)).unwrap();
    }
    text.push_str(
        "}\n\nimpl<'a> Method<'a> {\n/// Reads the fields of the method with these numbers.\n",
    );
    text.push_str("#[inline]\npub(crate) fn read(id: MethodId, reader: &mut Reader<'a>) -> Result<Self, Problem> {\n");
    text.push_str("Ok(match id {\n");
    for (class, it) in all() {
        let path = format!("{}::{}", class.name, camel(&it.name));
        writeln!(
            text,
            "{path}::ID => Self::{}({path}::read(reader)?),",
            variant(class, it)
        )
        .unwrap();
    }
    text.push_str("_ => return Err(Problem::UnknownMethod),\n})\n}\n\n");
    text.push_str("/// Appends the fields.\n#[inline]\npub(crate) fn put_fields(&self, buffer: &mut BytesMut) {\nmatch self {\n");
    for (class, it) in all() {
        writeln!(text, "Self::{}(it) => it.put(buffer),", variant(class, it)).unwrap();
    }
    text.push_str("}\n}\n\n/// Its numbers.\n#[must_use]\npub const fn id(&self) -> MethodId {\nmatch self {\n");
    for (class, it) in all() {
        let path = format!("{}::{}", class.name, camel(&it.name));
        writeln!(text, "Self::{}(_) => {path}::ID,", variant(class, it)).unwrap();
    }
    text.push_str("}\n}\n\n/// Whether a content follows it.\n#[must_use]\n#[inline]\npub const fn has_content(&self) -> bool {\nmatches!(self, ");
    let with_content: Vec<String> = all()
        .filter(|(_, it)| it.has_content)
        .map(|(class, it)| format!("Self::{}(_)", variant(class, it)))
        .collect();
    writeln!(text, "{})\n}}\n", with_content.join(" | ")).unwrap();
    text.push_str("/// Whether that side may send it.\n#[must_use]\n#[inline]\npub const fn may_come_from(&self, side: Side) -> bool {\nmatch self {\n");
    for (sender, answer) in [
        ("both", "true"),
        ("client", "matches!(side, Side::Client)"),
        ("server", "matches!(side, Side::Server)"),
    ] {
        let of_sender: Vec<String> = all()
            .filter(|(_, it)| it.sender == sender)
            .map(|(class, it)| format!("Self::{}(_)", variant(class, it)))
            .collect();
        writeln!(text, "{} => {answer},", of_sender.join(" | ")).unwrap();
    }
    text.push_str("}\n}\n}\n\n/// The name of the method with these numbers.\npub(crate) const fn name_of(id: MethodId) -> Option<&'static str> {\nSome(match id {\n");
    for (class, it) in all() {
        let path = format!("{}::{}", class.name, camel(&it.name));
        writeln!(text, "{path}::ID => \"{}.{}\",", class.name, it.name).unwrap();
    }
    text.push_str("_ => return None,\n})\n}\n");
    text
}

/// All files, by their path under `src`.
pub(crate) fn sources(table: &str) -> BTreeMap<String, String> {
    let classes = parse(table);
    let mut sources = BTreeMap::new();
    for class in &classes {
        let path = format!("method/{}.rs", class.name);
        sources.insert(path, formatted(&class_source(class)));
    }
    sources.insert("method.rs".to_owned(), formatted(&enum_source(&classes)));
    sources
}

/// As `cargo fmt` has it.
fn formatted(source: &str) -> String {
    let mut rustfmt = Command::new("rustfmt")
        .args(["--edition", "2024", "--emit", "stdout"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    rustfmt
        .stdin
        .take()
        .unwrap()
        .write_all(source.as_bytes())
        .unwrap();
    let output = rustfmt.wait_with_output().unwrap();
    assert!(output.status.success(), "{source}");
    String::from_utf8(output.stdout).unwrap()
}
