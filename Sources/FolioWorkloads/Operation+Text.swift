// SPDX-License-Identifier: MIT
//
// Operations as text: `folio_put_refs 3 2`, `folios_put_refs 3:2 5:1`. One operation is one line
// (or one item of a list separated by semicolons), so a failing program can be pasted back.

extension Operation: CustomStringConvertible {
  package var description: String {
    switch self {
    case .reference(let code, let page, let count):
      code.takesCount ? "\(code.rawValue) \(page) \(count)" : "\(code.rawValue) \(page)"
    case .addUnless(let page, let count, let unless):
      "\(name) \(page) \(count) \(unless)"
    case .batch(_, let entries):
      ([name] + entries.map { "\($0.page):\($0.count)" }).joined(separator: " ")
    case .query(_, let page), .device(_, let page):
      "\(name) \(page)"
    case .shape(_, let page, let argument):
      "\(name) \(page) \(argument)"
    case .word(_, let page, let value):
      "\(name) \(page) \(value)"
    case .mapping(_, let page, let count, let mm):
      "\(name) \(page) \(count) \(mm)"
    }
  }

  /// Reads what `description` writes; nil when the name is unknown or an argument is malformed.
  package init?(parsing text: String) {
    let fields = text.split(separator: " ").map(String.init)
    guard let name = fields.first else { return nil }
    let arguments = Array(fields.dropFirst())
    if let code = BatchCode(rawValue: name) {
      var entries: [BatchEntry] = []
      for argument in arguments {
        let parts = argument.split(separator: ":", omittingEmptySubsequences: false)
          .map { Int($0) }
        guard parts.count == 2, let page = parts[0], let count = parts[1] else { return nil }
        entries.append(BatchEntry(page: page, count: count))
      }
      self = .batch(code, entries)
      return
    }
    let numbers = arguments.compactMap { Int($0) }
    guard numbers.count == arguments.count, let page = numbers.first, page >= 0 else { return nil }
    self.init(name: name, page: page, rest: Array(numbers.dropFirst()))
  }

  private init?(name: String, page: Int, rest: [Int]) {
    if let code = ReferenceCode(rawValue: name), rest.count == (code.takesCount ? 1 : 0) {
      self = .reference(code, page: page, count: rest.first ?? 1)
    } else if name == "page_ref_add_unless", rest.count == 2 {
      self = .addUnless(page: page, count: rest[0], unless: rest[1])
    } else if let code = QueryCode(rawValue: name), rest.isEmpty {
      self = .query(code, page: page)
    } else if let code = DeviceCode(rawValue: name), rest.isEmpty {
      self = .device(code, page: page)
    } else if let code = ShapeCode(rawValue: name), rest.count == 1 {
      self = .shape(code, page: page, argument: rest[0])
    } else if let code = WordCode(rawValue: name), rest.count == 1, rest[0] >= 0 {
      self = .word(code, page: page, value: UInt(rest[0]))
    } else if let code = MappingCode(rawValue: name), rest.count == 2,
      let mm = UInt32(exactly: rest[1])
    {
      self = .mapping(code, page: page, count: rest[0], mm: mm)
    } else {
      return nil
    }
  }
}
