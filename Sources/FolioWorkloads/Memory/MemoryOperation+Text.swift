// SPDX-License-Identifier: MIT
//
// Operations on address spaces as text: `map 0 16 8 fsdax 0 rw shared fixed`, `store 0 16 7`. Space,
// page and number of pages come first.

extension MemoryOperation: CustomStringConvertible {
  package var description: String {
    switch self {
    case .create(let space), .end(let space): "\(name) \(space)"
    case .fork(let space, let child): "\(name) \(space) \(child)"
    case .map(let request):
      "\(name) \(request.range) \(request.object.rawValue) \(request.first) \(request.rights)"
        + " \(request.isShared ? "shared" : "private") \(request.placement.rawValue)"
    case .unmap(let range), .discard(let range), .grab(_, let range): "\(name) \(range)"
    case .protect(let range, let rights): "\(name) \(range) \(rights)"
    case .remap(let range, let pages, let target):
      "\(name) \(range) \(pages) \(target.map(String.init) ?? "-")"
    case .load(let space, let page): "\(name) \(space) \(page)"
    case .store(let space, let page, let value): "\(name) \(space) \(page) \(value)"
    case .zap(let object, let first, let count, let copies):
      "\(name) \(object.rawValue) \(first) \(count) \(copies ? "all" : "shared")"
    case .tryGet(let object, let page): "\(name) \(object.rawValue) \(page)"
    case .release(let number): "\(name) \(number)"
    case .write(let number, let value): "\(name) \(number) \(value)"
    }
  }

  /// Reads what `description` writes; nil when the name is unknown or an argument is malformed.
  package init?(parsing text: String) {
    var fields = Fields(text)
    guard let name = fields.next(), let operation = Self.parse(name, &fields), fields.isAtEnd
    else { return nil }
    self = operation
  }

  private static func parse(_ name: String, _ fields: inout Fields) -> MemoryOperation? {
    if let how = MemoryGrab(name: name) { return fields.range().map { .grab(how, $0) } }
    switch name {
    case "create": return fields.number().map { .create(space: $0) }
    case "end": return fields.number().map { .end(space: $0) }
    case "release": return fields.number().map { .release($0) }
    case "unmap": return fields.range().map { .unmap($0) }
    case "discard": return fields.range().map { .discard($0) }
    case "map": return parseMap(&fields)
    case "fork":
      guard let space = fields.number(), let child = fields.number() else { return nil }
      return .fork(space: space, child: child)
    case "protect":
      guard let range = fields.range(), let rights = fields.rights() else { return nil }
      return .protect(range, rights)
    case "remap":
      guard let range = fields.range(), let pages = fields.number(), let place = fields.next()
      else { return nil }
      if place == "-" { return .remap(range, pages: pages, target: nil) }
      return Int(place).map { .remap(range, pages: pages, target: $0) }
    case "load":
      guard let space = fields.number(), let page = fields.number() else { return nil }
      return .load(space: space, page: page)
    case "store":
      guard let space = fields.number(), let page = fields.number(), let value = fields.number()
      else { return nil }
      return .store(space: space, page: page, value: UInt(value))
    case "zap":
      guard let object = fields.object(), let first = fields.number(),
        let count = fields.number(), let copies = fields.flag("all", "shared")
      else { return nil }
      return .zap(object, first: first, count: count, copies: copies)
    case "try-get":
      guard let object = fields.object(), let page = fields.number() else { return nil }
      return .tryGet(object, page: page)
    case "write":
      guard let number = fields.number(), let value = fields.number() else { return nil }
      return .write(number, value: UInt(value))
    default: return nil
    }
  }

  private static func parseMap(_ fields: inout Fields) -> MemoryOperation? {
    guard let range = fields.range(), let object = fields.object(), let first = fields.number(),
      let rights = fields.rights(), let isShared = fields.flag("shared", "private"),
      let placement = fields.next().flatMap({ MemoryPlacement(rawValue: $0) })
    else { return nil }
    return .map(
      MemoryRequest(
        range: range, object: object, first: first, rights: rights, isShared: isShared,
        placement: placement))
  }
}

/// The words of an operation's text, one after the other.
private struct Fields {
  private var words: ArraySlice<Substring>

  init(_ text: String) { words = text.split(separator: " ")[...] }

  var isAtEnd: Bool { words.isEmpty }

  mutating func next() -> String? { words.popFirst().map(String.init) }
  mutating func number() -> Int? {
    guard let value = next().flatMap({ Int($0) }), value >= 0 else { return nil }
    return value
  }
  mutating func range() -> MemoryRange? {
    guard let space = number(), let page = number(), let count = number() else { return nil }
    return MemoryRange(space, page, count)
  }
  mutating func object() -> MemoryObject? { next().flatMap { MemoryObject(rawValue: $0) } }
  mutating func rights() -> MemoryRights? { next().flatMap { MemoryRights(parsing: $0) } }
  mutating func flag(_ yes: String, _ no: String) -> Bool? {
    switch next() {
    case yes: true
    case no: false
    default: nil
    }
  }
}

extension MemoryRange: CustomStringConvertible {
  package var description: String { "\(space) \(page) \(count)" }
}

extension MemoryRights: CustomStringConvertible {
  private static let letters: [(MemoryRights, Character)] = [
    (.read, "r"), (.write, "w"), (.execute, "x"),
  ]

  /// `rw`; `-` for none.
  package var description: String {
    isEmpty ? "-" : String(Self.letters.filter { contains($0.0) }.map(\.1))
  }

  /// Reads what `description` writes.
  package init?(parsing text: String) {
    self = []
    if text == "-" { return }
    for letter in text {
      guard let right = Self.letters.first(where: { $0.1 == letter })?.0, !contains(right)
      else { return nil }
      insert(right)
    }
  }
}
