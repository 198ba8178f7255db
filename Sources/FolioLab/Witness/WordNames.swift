// SPDX-License-Identifier: MIT

// Short names for words and operations, made of what sites say: "atomic_add_unless(&page->_refcount,
// nr, u)" in page_ref_add_unless() is the operation "page_ref_add_unless" on "_refcount".

/// Names of the words of an execution, by object.
struct WordNames {
  private let names: [Int: String]

  /// Each object by the name that most of its sites give it, names of members before names of
  /// variables; objects of the same name are numbered: "_refcount", "_refcount#2".
  init(_ steps: [TraceStep]) {
    var votes: [Int: [String: Int]] = [:]
    var order: [Int] = []
    for step in steps {
      guard let object = step.object else { continue }
      if votes[object] == nil {
        votes[object] = [:]
        order.append(object)
      }
      guard let (name, isMember) = Self.name(of: step) else { continue }
      votes[object]![name, default: 0] += isMember ? 1000 : 1
    }
    var used: [String: Int] = [:]
    var names: [Int: String] = [:]
    for object in order {
      let best = votes[object]!.max { ($0.value, $1.key) < ($1.value, $0.key) }
      guard let name = best?.key else {
        names[object] = "word \(object)"
        continue
      }
      used[name, default: 0] += 1
      names[object] = used[name]! == 1 ? name : "\(name)#\(used[name]!)"
    }
    self.names = names
  }

  subscript(object: Int) -> String { names[object] ?? "word \(object)" }

  /// The word's name as the step's site has it; nil: it has none.
  static func name(of step: TraceStep) -> (name: String, isMember: Bool)? {
    guard !step.text.isEmpty else { return nil }
    guard let open = step.text.firstIndex(of: "(") else { return (step.text, true) }
    let arguments = split(step.text[step.text.index(after: open)...].dropLast())
    // Constants have capitals only.
    func isVariable(_ text: Substring) -> Bool {
      (text.first.map { $0.isLetter || $0 == "_" } ?? false) && text.contains(where: \.isLowercase)
    }
    func isMember(_ text: Substring) -> Bool { text.contains("->") || text.contains(".") }
    let chosen =
      arguments.first { $0.hasPrefix("&") && isMember($0) }
      ?? arguments.first { isMember($0) && !$0.contains("(") }
      ?? arguments.first { $0.hasPrefix("&") }
      ?? arguments.last { isVariable($0) }
    guard let chosen else { return nil }
    // The last component, without what indexes it.
    var name = ""
    var depth = 0
    for character in chosen {
      switch character {
      case "[", "(": depth += 1
      case "]", ")": depth -= 1
      case _ where depth > 0: break
      case ".", ">", "&", "*", " ": name = ""
      case _ where character.isLetter || character.isNumber || character == "_":
        name.append(character)
      default: break
      }
    }
    return name.isEmpty ? nil : (name, isMember(chosen))
  }

  /// Arguments of a call, spaces around them removed.
  private static func split(_ text: Substring) -> [Substring] {
    var parts: [Substring] = []
    var depth = 0
    var start = text.startIndex
    for index in text.indices {
      switch text[index] {
      case "(", "[": depth += 1
      case ")", "]": depth -= 1
      case "," where depth == 0:
        parts.append(text[start..<index])
        start = text.index(after: index)
      default: break
      }
    }
    parts.append(text[start...])
    return parts.map { part in
      let front = part.drop { $0 == " " || $0 == "\t" || $0 == "\n" }
      return front.reversed().drop { $0 == " " }.reversed().reduce(into: "") { $0.append($1) }[...]
    }
  }
}

extension TraceStep {
  /// The operation alone: "add_unless", "load", "synchronize_rcu begins".
  var operation: String {
    switch kind {
    case .sleep: return before == after && text.isEmpty ? "futex sleep" : "sleep"
    case .resume: return after == 0 ? "woken" : "timed out"
    case .wake: return "wakes \(after)"
    case .graceBegin: return "synchronize_rcu…"
    case .graceEnd: return "…synchronize_rcu"
    case .readUnlock: return "rcu_read_unlock"
    case .deferCall: return "call_rcu"
    case .runDeferred: return "deferred call"
    case .barrier: return "rcu_barrier"
    case .yield: return "yield"
    case .fence where text.isEmpty: return "fence"
    case .flush: return "store reaches memory"
    default: break
    }
    guard let open = text.firstIndex(of: "("), open != text.startIndex else {
      return plainOperation
    }
    let name = text[..<open]
    for prefix in ["atomic_long_", "atomic_", "shared_"] where name.hasPrefix(prefix) {
      return String(name.dropFirst(prefix.count))
    }
    return String(name)
  }

  private var plainOperation: String {
    switch kind {
    case .load: "load"
    case .store: "store"
    case .change: "change"
    case .exchange: "cmpxchg"
    case .lock: "lock"
    case .tryLock: before == after ? "trylock fails" : "trylock"
    case .unlock: "unlock"
    case .bitLock: "bit lock"
    default: kind.rawValue
    }
  }

  /// The function that it is in, unless that says nothing: operations of a scenario's own words.
  var place: String? { function.isEmpty || function == "scenario" ? nil : function }

  /// Function and operation in at most `width` columns, or operation and word when no function is
  /// named. An operation that the function's name ends with is said once; the operation gives way.
  func label(width: Int) -> String {
    guard let place else {
      return (text.isEmpty || text.contains("(") ? operation : "\(operation) \(text)").cut(
        to: width)
    }
    if place.hasSuffix(operation) { return place.cut(to: width) }
    let left = width - place.count - 2
    return left >= 5 ? "\(place): \(operation.cut(to: left))" : place.cut(to: width)
  }

  /// "= 1" for a load, "1 → 0" for a write; nil: no word.
  var values: String? {
    guard touchesWord, object != nil else { return nil }
    return writes ? "\(Self.short(before)) → \(Self.short(after))" : "= \(Self.short(read))"
  }

  /// Small numbers in decimal, others (flags) in hexadecimal, of pointers the end.
  static func short(_ value: Int64) -> String {
    if value.magnitude < 100_000 { return "\(value)" }
    let digits = String(UInt64(bitPattern: value), radix: 16)
    return digits.count <= 8 ? "0x\(digits)" : "0x…\(digits.suffix(6))"
  }
}

extension String {
  /// At most `width` characters; what is longer ends with an ellipsis.
  func cut(to width: Int) -> String {
    count <= width ? self : String(prefix(max(width - 1, 0))) + "…"
  }

  /// Exactly `width` characters.
  func padded(to width: Int) -> String {
    let text = cut(to: width)
    return text + String(repeating: " ", count: width - text.count)
  }
}
