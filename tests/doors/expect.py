"""expect.py - what must be answered about a sample at a checkpoint, in whatever door.

The truth comes from the sample (see samples/checkpoint.h); here it becomes questions and checks.
Invariant: a check uses the sample's truth and the promises of the commands' JSON alone, so that all
doors are held to the same.
"""

import json
import os

from launch import Question, require

WITH_DEBUG_INFO = ("", "_shared")  # endings of the variants in which variables have names


def same(what, found, expected):
    require(found == expected, "%s: %s, expected %s", what, found, expected)


def questions(truth, has_names):
    """The questions of one checkpoint. has_names: the door evaluates expressions, and the sample has
    debug info for them."""
    asked = [Question("gcgraph", "--cycles --json"), Question("gcverify", "--json")]
    for known in truth["objects"]:
        asked.append(Question("objat", "--json " + known["address"]))
        asked.append(Question("refs", "--json " + known["address"]))
        if has_names and known["expression"]:
            asked.append(Question("objat", "--json " + known["expression"], known["frame"], known["thread"]))
    return asked


def check(truth, asked, answers, has_names):
    """All answers of one checkpoint against its truth. Returns how many facts were checked."""
    by_address = {known["address"]: known for known in truth["objects"]}
    facts = 0
    for question, answer in zip(asked, answers, strict=True):
        document = document_of(question, answer)
        operand = question.line.split()[-1]
        if question.command == "gcgraph":
            facts += check_cycles(truth, document)
            continue
        if question.command == "gcverify":
            facts += check_sound(question, answer, document)
            continue
        known = by_address.get(operand) or named(truth, question)
        is_live = known["status"] == "live"
        if question.command == "refs" and not is_live:
            check_failure(question, answer, document)
        else:
            require(answer.status == 0, "%s: status %d, %s", question, answer.status, answer.error)
            check_complete(question, document)
            check_object_at(known, document) if question.command == "objat" else check_refs(known, document, has_names)
        facts += 1
    return facts


def named(truth, question):
    return next(known for known in truth["objects"] if known["expression"] == question.line.split()[-1]
                and (known["frame"], known["thread"]) == (question.frame, question.thread))


def document_of(question, answer):
    """With --json there is one document on stdout and nothing else, be it an answer or an error."""
    try:
        document = json.loads(answer.out)
    except ValueError as error:
        require(False, "%s: no JSON document (%s): %r, %r", question, error, answer.out[:2000], answer.error[:2000])
    require(document.get("command") == question.command, "%s: of another command: %s", question, document)
    return document


def check_complete(question, document):
    """Everything could be read; but the sanitizer keeps data of its own library out of cores."""
    reasons = document.get("incomplete_because", [])
    endings = ("cannot be read",) if os.environ.get("REFHEAP_TEST_SANITIZED") else ()
    allowed = [reason for reason in reasons if question.command == "refs" and reason.endswith(endings)] if endings else []
    require(reasons == allowed and document["complete"] == (not reasons), "%s: not complete: %s", question, document)


def check_failure(question, answer, document):
    require(answer.status == 2, "%s: status %d instead of 2", question, answer.status)
    require(document["complete"] is False and document.get("error"), "%s: no error in %s", question, document)


def equal(known, what, found, expected):
    require(found == expected, "%s at %s: %s is %s, expected %s", known["id"], known["address"], what, found, expected)


def check_object(known, found):
    require(found is not None, "%s at %s: no object", known["id"], known["address"])
    equal(known, "id", found["id"], known["id"])
    equal(known, "type and serial", "%s#%s" % (found["type"], found["serial"]), known["id"])
    equal(known, "address", found["address"], known["address"])
    equal(known, "immortal", found["immortal"], known["immortal"])
    equal(known, "refcount", found["refcount"], known["refcount"])
    require(found["size"] >= 16, "%s: size %s", known["id"], found["size"])


def check_referents(known, found):
    """Samples do not list what is in their containers."""
    if known["id"].split("#")[0] in ("dict", "list"):
        require(found, "%s holds nothing", known["id"])
    else:
        equal(known, "referents", found, known["referents"])


def check_death(known, tenant):
    """The line that made it is always known; that which freed it, where the program's debug info can be read."""
    equal(known, "line that made who died there", tenant["site"]["line"], known["born"])
    place = tenant["place"]
    require(place["module"], "%s: no module in %s", known["id"], place)
    if place["line"]:
        equal(known, "line that freed who died there", (place["function"], place["line"]), (known["freed_in"], known["freed"]))


def check_object_at(known, document):
    equal(known, "status", document["status"], known["status"])
    equal(known, "address", document["address"], known["address"])
    equal(known, "offset", document["offset"], 0)
    previous = [each["id"] for each in document["previous"]]
    equal(known, "earlier tenants", previous[:len(known["previous"])], known["previous"])
    if known["freed_in"]:
        check_death(known, document["previous"][0])
    if known["status"] != "live":
        equal(known, "object", document["object"], None)
        return
    check_object(known, document["object"])
    check_referents(known, {field["name"]: field["target"] for field in document["fields"] if field.get("target")})


def check_refs(known, document, has_names):
    check_object(known, document["object"])
    rows = document["referrers"]
    fields = sorted("%s.%s" % (row["from"], row["name"]) for row in rows if row["kind"] == "field")
    equal(known, "referrers", fields, sorted(known["referrers"]))
    roots = sorted(row["name"] for row in rows if row["kind"] == "root")
    equal(known, "roots", roots, sorted(known["roots"]))
    check_referents(known, {row["name"]: row["target"] for row in document["referents"]})
    ledger = document["ledger"]
    equal(known, "ledger.stored", ledger["stored"], known["refcount"])
    equal(known, "ledger.provisional", ledger["provisional"], False)
    if known["immortal"]:
        return
    equal(known, "ledger.fields", ledger["fields"], len(known["referrers"]))
    equal(known, "ledger.exact", ledger["exact"], len(known["roots"]))
    if has_names:
        equal(known, "ledger.unexplained", ledger["unexplained"], 0)
        check_locals(known, rows)


def check_locals(known, rows):
    """Each variable that owns a count is named; others that hold the address are the samples' *_id."""
    names = [row["name"] for row in rows if row["kind"] == "local"]
    owner = known["frame"]
    for name in known["locals"]:
        require("%s::%s" % (owner, name) in names, "%s: the local %s::%s is not among %s", known["id"], owner, name, rows)
    for name in names:
        variable = name.split("::")[1]
        require(variable in known["locals"] or variable.endswith("_id"), "%s: %s holds no count", known["id"], name)


def check_cycles(truth, document):
    found = sorted((sorted(cycle["objects"]), cycle["verdict"]) for cycle in document["cycles"])
    expected = sorted((sorted(cycle["objects"]), cycle["verdict"]) for cycle in truth["cycles"])
    require(found == expected, "cycles at %r: %s, expected %s", truth["name"], found, expected)
    for cycle in document["cycles"]:
        require(bool(cycle["held_by"]) == (cycle["verdict"] == "held"), "a %s cycle is held by %s",
                cycle["verdict"], cycle["held_by"])
    return 1


def check_sound(question, answer, document):
    require(answer.status == 0, "%s: status %d, %s", question, answer.status, answer.error)
    require(document["problems"] == [] and document["by_kind"] == {}, "not sound: %s", document)
    check_complete(question, document)
    return 1


# ---- one door against another --------------------------------------------------------------------

def comparable(document):
    """A document without what only a debugger tells: the variables on stacks, and how to write a path. What
    lies elsewhere has the same name in all doors."""
    if isinstance(document, list):
        return [comparable(each) for each in document]
    if not isinstance(document, dict):
        return document
    rest = {key: comparable(value) for key, value in document.items()}
    if "path" in rest:
        for key in ("expression", "unverified", "frame", "thread"):
            rest.pop(key, None)
    if rest.get("kind") in ("local", "stack"):
        rest["kind"] = "stack"
        for key in ("name", "type", "function", "frame"):
            rest.pop(key, None)
    return rest


def check_agreement(asked, one_name, one, other_name, other):
    for question, first, second in zip(asked, one, other, strict=True):
        documents = [comparable(document_of(question, answer)) for answer in (first, second)]
        require(documents[0] == documents[1], "%s: %s and %s differ:\n%s\n%s", question, one_name, other_name,
                *(json.dumps(each, sort_keys=True) for each in documents))
        require(first.status == second.status, "%s: status %d in %s, %d in %s", question, first.status, one_name,
                second.status, other_name)
