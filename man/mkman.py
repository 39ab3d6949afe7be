#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""mkman.py REPRISE VERB OUTPUT [TEXT]: the man page of a verb (or of "reprise" itself).

Name, synopsis and options come from the program's own --help, so they are what the program does. TEXT is man(7) source
with what --help cannot say: its first part, up to the first .SH, becomes the description."""
import os
import re
import subprocess
import sys

OPTION = re.compile(r"^ {2,6}(-.*?)(?: {2,}(.*)|$)")


def run(*args):
    env = dict(os.environ, ARGP_HELP_FMT="rmargin=400,opt-doc-col=60", LC_ALL="C")
    done = subprocess.run(args, env=env, stdout=subprocess.PIPE, check=True, timeout=20, text=True)
    return done.stdout


def roff(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text[:1] in ".'" else text


def bold_names(names):
    """-D, --images-dir=DIR with names in bold and values in italics"""
    parts = []
    for part in names.split(", "):
        match = re.match(r"^(--?[\w?-]+)(\[?=?)(.*)$", part)
        value = f"{roff(match[2])}\\fI{roff(match[3])}\\fR" if match[3] else ""
        parts.append(f"\\fB{roff(match[1])}\\fR{value}")
    return ", ".join(parts)


def parse(text):
    lines = text.splitlines()
    usage = [re.sub(r"^(Usage:|  or: ) *", "", line) for line in lines if re.match(r"^(Usage:|  or: )", line)]
    options, before, after = [], [], []
    for line in lines:
        match = OPTION.match(line)
        if match:
            options.append([match[1], match[2] or ""])
        elif options and line.startswith(" " * 40):
            options[-1][1] += " " + line.strip()
        elif line.startswith("Mandatory or optional arguments") or re.match(r"^(Usage:|  or: )", line):
            continue
        else:
            (after if options else before).append(line)
    return usage, "\n".join(before).strip(), options, "\n".join(after).strip()


def paragraphs(text):
    return "\n.PP\n".join(roff(" ".join(p.split())) for p in text.split("\n\n") if p.strip())


def page_of_verb(program, verb, extra):
    summary = next(line.split(None, 1)[1] for line in run(program, "--help").splitlines()
                   if line.split(None, 1)[:1] == [verb] and line.startswith("  "))
    usage, before, options, after = parse(run(program, verb, "--help"))
    description, _, rest = extra.partition(".SH ")
    out = [".SH NAME", f"reprise-{verb} \\- {roff(summary)}", ".SH SYNOPSIS"]
    for line in usage:
        out += [f".B {roff(line)}", ".br"]
    out += [".SH DESCRIPTION", paragraphs(before)]
    if description.strip():
        out += [".PP", description.strip()]
    if after:
        out += [".PP", paragraphs(after)]
    out.append(".SH OPTIONS")
    for names, text in options:
        out += [".TP", bold_names(names), roff(text)]
    if rest:
        out.append(".SH " + rest.strip())
    return out + [".SH SEE ALSO", ".BR reprise (1)"]


def page_of_program(program, extra):
    out = [".SH NAME", "reprise \\- checkpoint and restart of MPI jobs and processes", ".SH SYNOPSIS",
           ".B reprise", ".I VERB", "[\\fIOPTION\\fR...]"]
    description, _, rest = extra.partition(".SH ")
    out += [".SH DESCRIPTION", description.strip(), ".SH VERBS"]
    for line in run(program, "--help").splitlines():
        match = re.match(r"^  (\w[\w-]*) +(.*)$", line)
        if match:
            out += [".TP", f".BR reprise\\-{roff(match[1])} (1)", roff(match[2])]
    if rest:
        out.append(".SH " + rest.strip())
    return out


def main():
    program, verb, output = sys.argv[1:4]
    extra = ""
    if len(sys.argv) > 4:
        with open(sys.argv[4], encoding="utf-8") as f:
            extra = "".join(line for line in f if not line.startswith('.\\"'))
    version = run(program, "--version").split()[1]
    title = "REPRISE" if verb == "reprise" else f"REPRISE-{verb.upper()}"
    body = page_of_program(program, extra) if verb == "reprise" else page_of_verb(program, verb, extra)
    with open(output, "w", encoding="utf-8") as f:
        f.write('.\\" SPDX-License-Identifier: BSD-3-Clause\n')
        f.write(f'.TH {title} 1 "" "reprise {version}" "Reprise"\n')
        f.write("\n".join(line for line in body if line) + "\n")


main()
