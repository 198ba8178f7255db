// SPDX-License-Identifier: MIT
//
// What programs on address spaces run with: rules, the size of page tables, and the objects that areas
// map. Nothing here, or in the other files of SpaceModel, knows CFolio or FolioCore.

/// Address spaces to be modelled, and the objects that their areas map.
package struct MemoryConfiguration: Sendable, Hashable {
  package var rules: ModelRules
  /// log2 of the entries of a table.
  package var tableShift: Int
  /// A leaf of a file keeps a table (CI53).
  package var deposits: Bool
  /// A leaf of a counted folio is special all the same (C56).
  package var specialLeaves: Bool

  package init(
    _ rules: ModelRules, tableShift: Int, deposits: Bool = false, specialLeaves: Bool = false
  ) {
    self.rules = rules
    self.tableShift = tableShift
    self.deposits = deposits
    self.specialLeaves = specialLeaves
  }

  /// Address spaces at once.
  package static let spaces = 4

  /// Pages of an address space: four levels of tables.
  package var spacePages: Int { 1 << (4 * tableShift) }

  /// Pages that an entry of a level maps: 0 pages, 1 leaves, 2 the leaves above, 3 those that name the
  /// tables of level 2.
  package func entryPages(_ level: Int) -> Int { 1 << (tableShift * level) }

  /// The level of the leaves that an object may be mapped by; 0: it has none.
  package func leafLevel(_ object: MemoryObject) -> Int {
    switch object {
    case .fsdaxLeaf, .deviceLeaf: 1
    case .fsdaxHuge: 2
    case .own, .fsdax, .device, .memory: 0
    }
  }

  package func pages(of object: MemoryObject) -> Int {
    switch object {
    case .own: 0
    case .fsdax: 24
    case .device, .memory: 12
    case .fsdaxLeaf, .deviceLeaf: 4 * entryPages(1)
    case .fsdaxHuge: 2 * entryPages(2)
    }
  }

  /// log2 of the pages of the object's folios. Under legacy rules file-system DAX has none larger than
  /// a page (core.md 15.3).
  package func folioOrder(_ object: MemoryObject) -> Int {
    rules == .legacy && object.isFileSystemDAX ? 0 : leafLevel(object) * tableShift
  }

  /// Entries of the object own references and mappings; legacy DAX entries count nothing.
  package func isCounted(_ object: MemoryObject) -> Bool {
    rules != .legacy || object == .memory
  }

  /// Entries of the object are marked as those without a page; level as in `entryPages`.
  package func isSpecial(_ object: MemoryObject, level: Int) -> Bool {
    !isCounted(object) || specialLeaves && level > 0
  }

  /// R of a folio that nobody uses. Pages of `memory` are held by their owner.
  package func idleReferences(_ object: MemoryObject) -> Int {
    object.isFileSystemDAX && rules != .legacy ? 0 : 1
  }
}

extension MemoryObject {
  package var isFileSystemDAX: Bool { self == .fsdax || self == .fsdaxLeaf || self == .fsdaxHuge }
  package var isDAX: Bool { self != .own && self != .memory }

  /// A shared entry may be written as soon as it is there: nobody asked to be told of stores.
  package var isWritableAtOnce: Bool { self == .device || self == .deviceLeaf }
  /// Its owner asked to be told of stores to what is shared.
  package var tracksStores: Bool { isFileSystemDAX || self == .memory }
  /// A fork copies its entries (VM_MIXEDMAP).
  package var isMixed: Bool { self == .memory }
  /// Those with pages.
  package static let mapped = allCases.filter { $0 != .own }
}

extension MemoryConfiguration: CustomStringConvertible {
  /// `memory/strict/shift=2/deposits=false/special=false`, parsed by `init(parsing:)`.
  package var description: String {
    "memory/\(rules.rawValue)/shift=\(tableShift)/deposits=\(deposits)/special=\(specialLeaves)"
  }

  /// Reads what `description` writes; nil for anything else.
  package init?(parsing text: String) {
    let fields = text.split(separator: "/").map(String.init)
    guard fields.count == 5, fields[0] == "memory", let rules = ModelRules(rawValue: fields[1])
    else { return nil }
    func value(_ index: Int, _ name: String) -> String? {
      let parts = fields[index].split(separator: "=").map(String.init)
      return parts.count == 2 && parts[0] == name ? parts[1] : nil
    }
    guard let shift = value(2, "shift").flatMap({ Int($0) }), 2...3 ~= shift,
      let deposits = value(3, "deposits").flatMap({ Bool($0) }),
      let special = value(4, "special").flatMap({ Bool($0) })
    else { return nil }
    self.init(rules, tableShift: shift, deposits: deposits, specialLeaves: special)
  }
}
