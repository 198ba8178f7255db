// SPDX-License-Identifier: MIT
//
// Operations of programs on address spaces: what they are, and how one is made simpler. Addresses are
// pages of the space, spaces and open references are numbers. What an operation does is in
// Model/SpaceModel and, for the real thing, in MemoryExecutor.

/// What an area maps.
package enum MemoryObject: String, Sendable, Hashable, CaseIterable {
  /// Memory of the address space's own.
  case own
  /// A file on a device with DAX: small pages, folios of a leaf, folios of the leaf above.
  case fsdax
  case fsdaxLeaf = "fsdax-leaf"
  case fsdaxHuge = "fsdax-huge"
  /// A device-dax device: small pages, folios of a leaf. The second may be cut at folios only.
  case device
  case deviceLeaf = "device-leaf"
  /// Shared memory in RAM, whose entries a fork copies.
  case memory
}

/// Rights as `AccessRights` has them: 1 read, 2 write, 4 execute.
package struct MemoryRights: OptionSet, Sendable, Hashable {
  package let rawValue: UInt
  package init(rawValue: UInt) { self.rawValue = rawValue }
  package static let read = MemoryRights(rawValue: 1)
  package static let write = MemoryRights(rawValue: 2)
  package static let execute = MemoryRights(rawValue: 4)
}

/// Where a new area goes.
package enum MemoryPlacement: String, Sendable, Hashable, CaseIterable {
  case anywhere, near, fixed, noReplace
}

/// How references are taken by address.
package struct MemoryGrab: Sendable, Hashable, CaseIterable {
  /// By the walk that takes locks and faults, not by the fast one.
  package var isSlow = false
  /// FOLL_PIN, not FOLL_GET.
  package var isPin = false
  /// FOLL_LONGTERM.
  package var isLongTerm = false
  /// FOLL_FORCE.
  package var isForced = false
  /// FOLL_WRITE.
  package var isWrite = false

  package static let fast = kinds(of: MemoryGrab())
  package static let slow =
    kinds(of: MemoryGrab(isSlow: true)) + both(MemoryGrab(isSlow: true, isForced: true))
    + both(MemoryGrab(isSlow: true, isPin: true, isForced: true))
  package static let allCases = fast + slow

  private static func kinds(of walk: MemoryGrab) -> [MemoryGrab] {
    var (pin, long) = (walk, walk)
    pin.isPin = true
    (long.isPin, long.isLongTerm) = (true, true)
    return [walk, pin, long].flatMap(both)
  }

  /// For reading and for writing.
  private static func both(_ reading: MemoryGrab) -> [MemoryGrab] {
    var writing = reading
    writing.isWrite = true
    return [reading, writing]
  }

  /// As in the text form of operations: `pin-long-write`, `slow-get`.
  package var name: String {
    (isSlow ? "slow-" : "") + (isPin ? "pin" : "get") + (isLongTerm ? "-long" : "")
      + (isForced ? "-force" : "") + (isWrite ? "-write" : "")
  }

  package init?(name: String) {
    guard let how = Self.allCases.first(where: { $0.name == name }) else { return nil }
    self = how
  }

  private init(isSlow: Bool = false, isPin: Bool = false, isForced: Bool = false) {
    (self.isSlow, self.isPin, self.isForced) = (isSlow, isPin, isForced)
  }
}

/// A run of pages of one address space.
package struct MemoryRange: Sendable, Hashable {
  package var space: Int
  package var page: Int
  package var count: Int
  package init(_ space: Int, _ page: Int, _ count: Int) {
    self.space = space
    self.page = page
    self.count = count
  }
  package var pages: Range<Int> { page..<(page + max(0, count)) }
}

/// A new area.
package struct MemoryRequest: Sendable, Hashable {
  package var range: MemoryRange
  package var object: MemoryObject
  package var first: Int
  package var rights: MemoryRights
  package var isShared: Bool
  package var placement: MemoryPlacement
}

/// One operation.
package enum MemoryOperation: Sendable, Hashable {
  /// A new address space without areas, where there is none of the number.
  case create(space: Int)
  /// The address space goes.
  case end(space: Int)
  case fork(space: Int, child: Int)
  case map(MemoryRequest)
  case unmap(MemoryRange)
  case protect(MemoryRange, MemoryRights)
  /// MADV_DONTNEED.
  case discard(MemoryRange)
  /// target nil: where it is, or anywhere.
  case remap(MemoryRange, pages: Int, target: Int?)
  case load(space: Int, page: Int)
  case store(space: Int, page: Int, value: UInt)
  /// unmap_mapping_pages; copies: also what private areas have of their own.
  case zap(MemoryObject, first: Int, count: Int, copies: Bool)
  /// A walk that takes references by address; what it took is kept as one reference more.
  case grab(MemoryGrab, MemoryRange)
  /// A reference on a page of an object, if it has one already.
  case tryGet(MemoryObject, page: Int)
  /// Gives back one of those that are open, oldest first.
  case release(Int)
  /// A device writes to what a reference holds.
  case write(Int, value: UInt)
}

extension MemoryOperation {
  /// As in its text form.
  package var name: String {
    switch self {
    case .create: "create"
    case .end: "end"
    case .fork: "fork"
    case .map: "map"
    case .unmap: "unmap"
    case .protect: "protect"
    case .discard: "discard"
    case .remap: "remap"
    case .load: "load"
    case .store: "store"
    case .zap: "zap"
    case .grab(let how, _): how.name
    case .tryGet: "try-get"
    case .release: "release"
    case .write: "write"
    }
  }
}

// MARK: simplification

extension MemoryOperation: ProgramStep {
  /// Spaces: what happens in one may as well happen in a lower one.
  package var namedPages: [Int] {
    switch self {
    case .create(let space), .end(let space), .load(let space, _), .store(let space, _, _):
      [space]
    case .fork(let space, let child): [space, child]
    case .map(let request): [request.range.space]
    case .unmap(let range), .protect(let range, _), .discard(let range), .remap(let range, _, _),
      .grab(_, let range):
      [range.space]
    case .zap, .tryGet, .release, .write: []
    }
  }

  package func relabelled(_ label: (Int) -> Int) -> MemoryOperation {
    func moved(_ range: MemoryRange) -> MemoryRange {
      MemoryRange(label(range.space), range.page, range.count)
    }
    switch self {
    case .create(let space): return .create(space: label(space))
    case .end(let space): return .end(space: label(space))
    case .fork(let space, let child): return .fork(space: label(space), child: label(child))
    case .map(var request):
      request.range = moved(request.range)
      return .map(request)
    case .unmap(let range): return .unmap(moved(range))
    case .protect(let range, let rights): return .protect(moved(range), rights)
    case .discard(let range): return .discard(moved(range))
    case .remap(let range, let pages, let target):
      return .remap(moved(range), pages: pages, target: target)
    case .load(let space, let page): return .load(space: label(space), page: page)
    case .store(let space, let page, let value):
      return .store(space: label(space), page: page, value: value)
    case .grab(let how, let range): return .grab(how, moved(range))
    case .zap, .tryGet, .release, .write: return self
    }
  }

  package var simplifications: [MemoryOperation] {
    switch self {
    case .create, .end, .fork: []
    case .map(let request): simpler(request).map { .map($0) }
    case .unmap(let range): simpler(range).map { .unmap($0) }
    case .protect(let range, let rights): simpler(range).map { .protect($0, rights) }
    case .discard(let range): simpler(range).map { .discard($0) }
    case .remap(let range, let pages, let target):
      simpler(range).map { .remap($0, pages: pages, target: target) }
        + smaller(pages, 1).map { .remap(range, pages: $0, target: target) }
        + (target.map { smaller($0, 0) } ?? []).map { .remap(range, pages: pages, target: $0) }
    case .load(let space, let page): smaller(page, 0).map { .load(space: space, page: $0) }
    case .store(let space, let page, let value):
      smaller(page, 0).map { .store(space: space, page: $0, value: value) }
        + smaller(Int(value), 1).map { .store(space: space, page: page, value: UInt($0)) }
    case .zap(let object, let first, let count, let copies):
      smaller(first, 0).map { .zap(object, first: $0, count: count, copies: copies) }
        + smaller(count, 1).map { .zap(object, first: first, count: $0, copies: copies) }
    case .grab(let how, let range): simpler(range).map { .grab(how, $0) }
    case .tryGet(let object, let page): smaller(page, 0).map { .tryGet(object, page: $0) }
    case .release(let number): smaller(number, 0).map { .release($0) }
    case .write(let number, let value):
      smaller(number, 0).map { .write($0, value: value) }
        + smaller(Int(value), 1).map { .write(number, value: UInt($0)) }
    }
  }

  private func simpler(_ range: MemoryRange) -> [MemoryRange] {
    smaller(range.page, 0).map { MemoryRange(range.space, $0, range.count) }
      + smaller(range.count, 1).map { MemoryRange(range.space, range.page, $0) }
  }

  private func simpler(_ request: MemoryRequest) -> [MemoryRequest] {
    func with(_ change: (inout MemoryRequest) -> Void) -> MemoryRequest {
      var copy = request
      change(&copy)
      return copy
    }
    return simpler(request.range).map { range in with { $0.range = range } }
      + smaller(request.first, 0).map { first in with { $0.first = first } }
      + (request.rights == [.read, .write] ? [] : [with { $0.rights = [.read, .write] }])
  }
}
