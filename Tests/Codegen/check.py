#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares disassembled functions. Reads object files with objdump; knows x86-64 only.

    check.py same OBJECT FUNCTION OBJECT FUNCTION   equal hot paths
    check.py branch OBJECT FUNCTION OBJECT FUNCTION the first is the second plus one flag test
    check.py locked COUNT OBJECT FUNCTION           locked instructions of the hot path
    check.py counted OBJECT FUNCTION...             no ARC, no allocation, callees included
    check.py hot OBJECT FUNCTION...                 functions are not in the section of cold code
    check.py absent TEXT OBJECT...                  no symbol holds the text

A FUNCTION is a symbol, or a part of one that only one symbol of the object holds. The hot path is
what runs while no slow path is called: blocks that end in a call of a function that SLOW names are
left out, and so is what only they reach. Registers are reduced to their width, so two functions are
equal when the same operations touch the same memory operands in the same order.
"""
import re
import subprocess
import sys

# Slow paths by what they stand for: a hot path must branch to the same ones.
SLOW = {
    "plain_get_event": "get event", "__page_ref_get": "get event",
    "plain_put_event": "put event", "__folio_put_event": "put event",
    "plain_put_last": "last put", "__folio_put_last": "last put",
    "plain_try_get_event": "try_get event", "__page_ref_add_unless": "try_get event",
}
COUNTING = re.compile(
    r"swift_(retain|release|nonatomic|bridgeObject|unknownObject|weak|unowned|alloc|slowAlloc|"
    r"initStackObject|beginAccess)|^(malloc|calloc)$")

WIDTHS = {}
for name in ("ax", "bx", "cx", "dx", "si", "di", "bp", "sp"):
    WIDTHS.update({"r" + name: "r64", "e" + name: "r32", name: "r16"})
WIDTHS.update({name: "r8" for name in
               "al bl cl dl ah bh ch dh sil dil bpl spl".split()})
for number in range(8, 16):
    WIDTHS.update({f"r{number}": "r64", f"r{number}d": "r32", f"r{number}w": "r16",
                   f"r{number}b": "r8"})


class Failure(Exception):
    """The check does not hold: exit status 1."""


class Unusable(Exception):
    """The check could not be made: exit status 2."""


class Instruction:
    def __init__(self, address, text):
        self.address = address
        self.text = text
        self.symbol = None  # what a relocation or objdump says that it refers to
        parts = text.split(None, 1)
        self.locked = parts[0] == "lock"
        if parts[0] in ("lock", "rep", "repz", "bnd"):
            parts = parts[1].split(None, 1)
        self.opcode = parts[0]
        self.operands = parts[1].split("#")[0].strip() if len(parts) > 1 else ""
        self.target = None
        jump = re.match(r"^(j\w+|call\w*|jmp\w*)$", self.opcode)
        if jump and re.match(r"^[0-9a-f]+( <.*>)?$", self.operands):
            self.target = int(self.operands.split()[0], 16)
        name = re.search(r"<([^>+]+)(\+0x[0-9a-f]+)?>", text)
        if name:
            self.symbol = name.group(1)

    @property
    def is_jump(self):
        return self.opcode.startswith("j")

    @property
    def is_nop(self):
        # A long nop hides its opcode behind prefixes.
        return "nop" in self.text.split("<")[0] or self.text.startswith("xchg   %ax,%ax")

    @property
    def ends(self):
        return self.opcode in ("ret", "ud2", "hlt") or self.opcode.startswith("jmp")

    def shape(self):
        operands = re.sub(r"-?0x[0-9a-f]+\(%rip\)|0\(%rip\)", "global", self.operands)
        operands = re.sub(r"%(\w+)", lambda m: WIDTHS.get(m.group(1), m.group(1)), operands)
        return ("lock " if self.locked else "") + self.opcode + " " + operands


class Function:
    def __init__(self, name, section):
        self.name = name
        self.section = section
        self.code = []


def disassemble(path):
    text = subprocess.run(["objdump", "-dr", "-w", "--no-show-raw-insn", path], check=True,
                          stdout=subprocess.PIPE, text=True).stdout
    functions, section, current = {}, "", None
    for line in text.splitlines():
        if match := re.match(r"^Disassembly of section (.*):$", line):
            section = match.group(1)
        elif match := re.match(r"^[0-9a-f]+ <(.*)>:$", line):
            current = functions[match.group(1)] = Function(match.group(1), section)
        elif match := re.match(r"^\s*([0-9a-f]+):\s+(.*)$", line):
            text, *relocations = re.split(r"\t[0-9a-f]+: (?=R_X86_64)", match.group(2))
            instruction = Instruction(int(match.group(1), 16), text.strip())
            for relocation in relocations:
                instruction.symbol = re.sub(r"[-+]0x[0-9a-f]+$", "", relocation.split()[1])
                if instruction.is_jump or instruction.opcode.startswith("call"):
                    instruction.target = None
            if current and not instruction.is_nop:
                current.code.append(instruction)
    return functions


def find(functions, name, path):
    if name in functions:
        return functions[name]
    found = [f for f in functions.values() if name in f.name]
    if len(found) != 1:
        raise Unusable(f"{path}: {len(found)} functions for {name}: {[f.name for f in found]}")
    return found[0]


def slow_role(instruction):
    if instruction.opcode.startswith(("call", "jmp")) and instruction.target is None:
        # A conditional jump to a slow path leaves its block hot.
        return SLOW.get((instruction.symbol or "").split("@")[0])
    return None


def hot_path(function):
    """The instructions of hot blocks in their order, with where each jump leads."""
    code = function.code
    index = {instruction.address: i for i, instruction in enumerate(code)}
    starts = {0}
    for i, instruction in enumerate(code):
        if instruction.is_jump:
            starts.add(i + 1)
            if instruction.target in index:
                starts.add(index[instruction.target])
    starts = sorted(start for start in starts if start < len(code))
    ends = dict(zip(starts, starts[1:] + [len(code)]))

    def role_of(block):
        return next((r for r in map(slow_role, code[block:ends[block]]) if r), None)

    hot, todo = set(), [0]
    while todo:
        block = todo.pop()
        if block in hot or block not in ends or role_of(block):
            continue
        hot.add(block)
        last = code[ends[block] - 1]
        if last.is_jump and last.target in index:
            todo.append(index[last.target])
        if not last.ends:
            todo.append(ends[block])

    order = {block: number for number, block in enumerate(sorted(hot))}
    lines = []
    for block in sorted(hot):
        for instruction in code[block:ends[block]]:
            if not instruction.is_jump:
                lines.append((instruction, instruction.shape().strip()))
            elif instruction.target in index:
                target = index[instruction.target]
                where = f"block {order[target]}" if target in order else role_of(target)
                lines.append((instruction, f"{instruction.opcode} -> {where}"))
            else:
                where = SLOW.get(instruction.symbol, instruction.symbol)
                lines.append((instruction, f"{instruction.opcode} -> {where}"))
    return lines


def show(lines):
    return "".join(f"    {line}\n" for _, line in lines)


def load(pairs):
    return [find(disassemble(path), name, path) for path, name in zip(pairs[::2], pairs[1::2])]


def same(arguments):
    first, second = (hot_path(f) for f in load(arguments))
    if [line for _, line in first] != [line for _, line in second]:
        raise Failure(f"{arguments[1]}:\n{show(first)}  is not {arguments[3]}:\n{show(second)}")


def branch(arguments):
    """The address of the flag, the flag, a test, a branch: those four instructions and no more. The
    rest may be laid out otherwise, but touches the same memory and is no longer."""
    tested, bare = ([line for _, line in hot_path(f)] for f in load(arguments))
    flag = ["mov global,r64", "mov (r64),r32", "test r32,r32"]
    places = [i for i in range(len(tested)) if tested[i:i + 3] == flag]
    if len(places) != 1 or not tested[places[0] + 3].startswith("jne -> "):
        raise Failure(f"{arguments[1]} tests {len(places)} flags")
    rest = tested[:places[0]] + tested[places[0] + 4:]
    memory = [[line for line in lines if re.search(r"\(|global", line)
               and not line.startswith("lea")] for lines in (rest, bare)]
    if len(rest) > len(bare) or memory[0] != memory[1]:
        raise Failure("without its flag:\n    " + "\n    ".join(rest) + "\n  is not:\n    " +
                      "\n    ".join(bare))


def locked(arguments):
    wanted, (function,) = int(arguments[0]), load(arguments[1:])
    lines = hot_path(function)
    found = [line for instruction, line in lines
             if instruction.locked or re.match(r"^xchg.*\(", instruction.text)]
    calls = [line for instruction, line in lines if instruction.opcode.startswith("call")]
    if len(found) != wanted or calls:
        raise Failure(f"{len(found)} locked instructions, {len(calls)} calls:\n{show(lines)}")


def counted(arguments):
    functions = disassemble(arguments[0])
    for name in arguments[1:]:
        seen, todo = set(), [find(functions, name, arguments[0])]
        while todo:
            function = todo.pop()
            if function.name in seen:
                continue
            seen.add(function.name)
            for instruction in function.code:
                symbol = (instruction.symbol or "").split("@")[0]
                if not instruction.opcode.startswith(("call", "jmp")) or not symbol:
                    continue
                if COUNTING.search(symbol):
                    raise Failure(f"{name} calls {symbol} (in {function.name})")
                if symbol in functions and "@" not in (instruction.symbol or ""):
                    # Slow paths may do what they like.
                    if symbol not in SLOW and functions[symbol].section != ".text.unlikely.":
                        todo.append(functions[symbol])


def hot(arguments):
    functions = disassemble(arguments[0])
    for name in arguments[1:]:
        function = find(functions, name, arguments[0])
        if function.section.startswith(".text.unlikely"):
            raise Failure(f"{name} is compiled as cold code")


def absent(arguments):
    for path in arguments[1:]:
        symbols = subprocess.run(["nm", path], check=True, stdout=subprocess.PIPE, text=True).stdout
        if not symbols.strip():
            raise Unusable(f"{path} has no symbols at all")
        found = [line for line in symbols.splitlines() if arguments[0] in line]
        if found:
            raise Failure(f"{path}: {found[0]}")


COMMANDS = {"same": same, "branch": branch, "locked": locked, "counted": counted, "hot": hot,
            "absent": absent}

if __name__ == "__main__":
    try:
        COMMANDS[sys.argv[1]](sys.argv[2:])
    except Failure as failure:
        print(failure)
        sys.exit(1)
    except Unusable as reason:
        print(reason)
        sys.exit(2)
