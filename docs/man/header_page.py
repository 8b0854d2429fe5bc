"""header_page.py - a page for man of a public header, as scdoc takes it: what the header says, in its order and its words.

The comment at its head is the description. Its paragraphs that begin with a title ("Ownership. Every …") are sections; so is each
`/* ---- title ---- */` of the header, with its declarations and the comments above them. What is not for callers (a name with two
underscores behind its prefix) and bodies are left out.

    header_page.py HEADER PAGE FOLDER    writes FOLDER/PAGE.3.scd, and FOLDER/NAME.3 for each function, which leads to the page

Invariant: nothing is told of a declaration but its own comment, and no comment is told without a declaration, or a section, it is of.
"""

import os
import re
import sys
import textwrap

TITLE = re.compile(r"^([A-Z]\w+(?: \w+){0,3})\. (?=[A-Z(])|^(Ownership|Threads|Errors)[,:] ")
HIDDEN = re.compile(r"\brhi?__|\bRHI?__|_H$|^C\+\+|__clang__")
COLUMNS = 68  # of a declaration; a page has margins
LINKED = {"refheap": "pkg-config --cflags --libs refheap", "refheap-values": "pkg-config --cflags --libs refheap",
          "refheap-inspect": "-lrefheap-inspect"}


# ---- reading -------------------------------------------------------------------------------------------------------------------


def plain(comment):
    """The lines of a comment, without its marks."""
    lines = comment.strip().removeprefix("/*").removesuffix("*/").split("\n")
    return [re.sub(r"^ ?\*? ?", "", line, count=1).rstrip() if number else line.strip() for number, line in enumerate(lines)]


def pieces(text):
    """(kind, text) of what a header consists of: "section", "comment", "declaration", "gap" between these."""
    text = re.sub(r'#ifdef __cplusplus\n(extern "C" \{|\})\n#endif\n', "", text)
    at, depth = 0, re.compile(r"[{}]")
    while at < len(text):
        found = re.compile(r"\n[ \t]*\n|\s+").match(text, at)
        if found:
            if found.group().count("\n") > 1:
                yield "gap", ""
        elif found := re.compile(r"/\* ---- (.*?) -*\s*\*/").match(text, at):
            yield "section", found.group(1)
        elif found := re.compile(r"/\*.*?\*/", re.S).match(text, at):
            yield "comment", found.group()
        elif found := re.compile(r"#(?:[^\n]*\\\n)*[^\n]*").match(text, at):
            if re.match(r"#define\b", found.group()):
                yield "declaration", macro(found.group())
        else:  # up to the ; behind all braces, or the end of a function's body
            end, level = at, 0
            while end < len(text):
                end += 1
                sign = text[end - 1]
                if text.startswith("/*", end - 1):
                    end = text.index("*/", end) + 2
                elif depth.match(sign):
                    level += 1 if sign == "{" else -1
                    if level == 0 and sign == "}" and re.search(r"\)\s*\{", text[at:end]):
                        break
                elif sign == ";" and level == 0:
                    break
            yield "declaration", declaration(text[at:end])
            at = end
            continue
        at = found.end()


def macro(text):
    """The head of a macro that has parameters, or a body that is nobody's business; a constant whole."""
    head = re.match(r"#define \w+(\([^)]*\))?", text)
    if head.group(1) and len(head.group()) > COLUMNS:
        return " \\\n    ".join(textwrap.wrap(head.group(), COLUMNS - 6))
    return head.group() if head.group(1) or "\n" in text or HIDDEN.search(text[head.end():]) else narrow(text)


def declaration(text):
    """Of a function that is defined here: its head. In lines that fit a page."""
    text = re.sub(r"^(?:RH__DIRECT|RH__INLINE) ", "", text)
    body = re.match(r"([^{};]*\))\s*\{", text)
    text = body.group(1) + ";" if body else text
    if "{" in text:
        return narrow(text)
    head, _, parameters = " ".join(text.split()).partition("(")
    lines = [head + "("] if parameters else [head]
    for parameter in re.findall(r"[^,]+,? ?", parameters):
        if len(lines[-1]) + len(parameter.rstrip()) > COLUMNS:
            lines.append("    ")
        lines[-1] += parameter
    return "\n".join(line.rstrip() for line in lines)


def narrow(text):
    """A struct or an enum, with comments that fit a page: above their member where there is no room beside it."""
    lines = []
    for line in re.sub(r"\n\s*\*(?=/)", " *", re.sub(r"\n\s*\* ", " ", text)).split("\n"):
        code, comment = re.match(r"(.*?)\s*(/\*.*\*/)?$", line).groups()
        if comment and len(line) > COLUMNS:
            indent = " " * (len(line) - len(line.lstrip()))
            wrapped = textwrap.wrap(comment.removesuffix("*/"), COLUMNS - 3, initial_indent=indent, subsequent_indent=indent + " * ")
            lines += [*wrapped[:-1], wrapped[-1] + " */"]
            line = code
        lines += within(line) if line.strip() else []
    return "\n".join(lines)


def within(line):
    """A line of code as lines that fit a page."""
    indent = " " * (len(line) - len(line.lstrip()) + 4)
    wrapped = textwrap.wrap(line, COLUMNS, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return wrapped if len(line) > COLUMNS else [line]


def is_hidden(text):
    name = re.match(r"#define (\w+)", text)
    return bool(HIDDEN.search(name.group(1) if name else text)) or text.startswith(("_Static_assert", "static_assert", "extern \"C\"", "}"))


def groups(text):
    """(section, comment, [declarations]): a comment with what stands right below it, each declared name once. One without a
    declaration is of the section that begins with it."""
    section, comment, declared, names, is_of_section, before = "", None, [], set(), False, ""
    for kind, piece in [*pieces(text), ("gap", "")]:
        if kind != "declaration" and (declared or comment):
            shown = [each for each in declared if not is_hidden(each)]
            if shown or (is_of_section and not declared):
                yield section, comment, shown
            comment, declared = None, []
        if kind == "section":
            section = piece
            yield section, None, []
        elif kind == "comment":
            comment, is_of_section = piece, before == "section"
        elif kind == "declaration":
            name = name_of(piece)
            if name not in names:
                declared.append(piece)
            names.add(name)
        before = kind


def name_of(text):
    """What a declaration declares. A struct is told of where its members are, too, if its name stood above already."""
    patterns = (r"#define (\w+)", r"typedef [^{;]*?(\w+)\([^;]*\);$", r"typedef .*?(\w+);$", r"((?:struct|enum) \w+) \{", r"([\w]+)\(")
    for pattern in patterns:
        found = re.match(pattern, text, re.S) if pattern[0] != "(" else re.search(pattern, text, re.S)
        if found:
            return found.group(1)
    return text


def is_function(text):
    return not text.startswith(("#", "typedef")) and "{" not in text and bool(re.search(r"\w+\(", text))


# ---- writing -------------------------------------------------------------------------------------------------------------------


def escaped(text):
    """Words; what is in `backquotes` is bold."""
    parts = re.split(r"`([^`]*)`", text)
    return "".join("*%s*" % quoted(part) if number % 2 and part else quoted(part) for number, part in enumerate(parts))


def quoted(text):
    return re.sub(r"([\\*_#~<>\[\]|`])", r"\\\1", text).replace("++", "+\\+")


def literal(lines):
    """Left as it is."""
    indent = min(len(line) - len(line.lstrip()) for line in lines if line)
    return ["```", *(line[indent:] for line in lines), "```", ""]


def blocks(lines):
    """(kind, lines): paragraphs "text", points of lists "point", and "literal", what is indented more."""
    found, fresh = [], True
    for line in [*lines, ""]:
        indent = len(line) - len(line.lstrip())
        if not line:
            if found and found[-1][0] == "literal":
                found[-1][1].append("")
            fresh = True
            continue
        if line.lstrip().startswith("- "):
            found.append(("point", [line.lstrip()[2:]]))
        elif found and not fresh and found[-1][0] == "point" and indent:
            found[-1][1].append(line.strip())
        elif indent >= 2 and (not fresh or indent >= 4 or (found and found[-1][0] == "literal")):
            if not (found and found[-1][0] == "literal"):
                found.append(("literal", []))
            found[-1][1].append(line)
        elif fresh or not found or found[-1][0] != "text":
            found.append(("text", [line.strip()]))
        else:
            found[-1][1].append(line.strip())
        fresh = False
    return found


def words(lines, has_titles=False):
    """A comment's text."""
    said, before = [], None
    for kind, part in blocks(lines):
        text = " ".join(part)
        title = TITLE.match(text) if has_titles and kind == "text" else None
        if title:
            said += ["# " + (title.group(1) or title.group(2)).upper(), ""]
            text = text[title.end():title.end() + 1].upper() + text[title.end() + 1:]
        if kind == "literal":
            while not part[-1]:
                part.pop()
            said += literal(part)
        elif kind == "point":
            if before == "point":
                said.pop()
            said += ["- " + escaped(text), ""]
        else:
            said += [escaped(text), ""]
        before = kind
    return said


def page(path, name):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    end = text.index("*/") + 2
    head = plain(text[:end])
    summary, rest = re.match(r"\S+ - (?:lib\S+: )?(.*?)(?:[.:] |[.:]?$)(.*)", " ".join(head[:head.index("")]), re.S).groups()
    said = ['%s(3) "refheap" "refheap"' % name, "", "# NAME", "", "%s - %s" % (name, escaped(summary)), "", "# SYNOPSIS", "", "```",
            "#include <refheap/%s>" % os.path.basename(path), "", "cc program.c $(%s)" % LINKED[name] if "pkg" in LINKED[name]
            else "cc program.c %s" % LINKED[name], "```", "", "# DESCRIPTION", ""]
    said += words(([rest[0].upper() + rest[1:], ""] if rest else []) + head[head.index("") + 1:], has_titles=True)
    functions = []
    for section, comment, declared in groups(text[end:]):
        if comment is None and not declared:
            said += ["# " + section.split(":")[0].upper(), ""]
            continue
        if declared:
            said += literal([line for each in declared for line in each.split("\n")])
            functions += [name_of(each) for each in declared if is_function(each)]
        if comment and not HIDDEN.search(comment if not declared else ""):
            said += words(plain(comment))
    others = [other for other in LINKED if other not in (name, "refheap-inspect")]
    said += ["# SEE ALSO", "", ", ".join(["*%s*(3)" % other for other in others] + ["*refheap*(1)"])]
    return "\n".join(said) + "\n", functions


def main():
    path, name, folder = sys.argv[1:]
    text, functions = page(path, name)
    with open(os.path.join(folder, name + ".3.scd"), "w", encoding="utf-8") as file:
        file.write(text)
    for function in functions:
        with open(os.path.join(folder, function + ".3"), "w", encoding="utf-8") as file:
            file.write(".so man3/%s.3\n" % name)


if __name__ == "__main__":
    main()
