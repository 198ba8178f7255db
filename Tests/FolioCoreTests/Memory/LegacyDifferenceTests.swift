// SPDX-License-Identifier: MIT

// One script on address spaces under legacy and under later rules (CI63): R of each page of the device
// differs by what pages idle at, and by the entries that map it, which own references under later rules
// only. Entries are counted in the tables, not by M.

import CFolio
import FolioCore
import FolioWorkloads
import TestSupport
import Testing

@Suite("Legacy and later rules differ by the base and the mappings, in address spaces (CI63)")
struct LegacyDifferenceTests {
  private static let pages = 8

  /// What both worlds do. Areas and handles by number, pages of the object.
  private enum Step: CustomStringConvertible {
    case map(Sharing)
    case unmap(Int)
    case access(Int, page: Int, isWrite: Bool, inChild: Bool)
    case discard(Int, Range<Int>)
    case take(Int, Range<Int>, Taking)
    case release(Int)
    case fork
    case endChild
    case unmapObject(Range<Int>)

    var description: String {
      switch self {
      case .map(let sharing): "map \(sharing)"
      case .unmap(let area): "unmap \(area)"
      case .access(let area, let page, let isWrite, let inChild):
        "\(isWrite ? "store to" : "load") \(area):\(page)\(inChild ? " in the child" : "")"
      case .discard(let area, let pages): "discard \(area):\(pages)"
      case .take(let area, let pages, let taking): "\(taking) \(area):\(pages)"
      case .release(let number): "release \(number)"
      case .fork: "fork"
      case .endChild: "the child ends"
      case .unmapObject(let pages): "unmap \(pages) of the object"
      }
    }
  }

  private enum Taking: CaseIterable { case get, pin, pinForStores }

  /// Arrays hold what can be copied.
  private enum Handle {
    final class Pins {
      let pages: PinnedPages
      init(_ pages: consuming PinnedPages) { self.pages = pages }
    }
    final class References {
      let pages: HeldPages
      init(_ pages: consuming HeldPages) { self.pages = pages }
    }
    case pins(Pins)
    case references(References)
  }

  /// A device whose pages are mapped one by one, and what maps it.
  private final class World {
    let map: PageMap
    let file: MappedObject
    let space: MemoryMap
    var areas: [MemoryArea] = []
    var child: (space: MemoryMap, areas: [MemoryArea])?
    var handles: [Handle] = []

    init(_ kind: PageMap.Kind, _ rules: PageMap.Rules) throws {
      map = try PageMap(kind, pages: LegacyDifferenceTests.pages, .init(rules: rules))
      file = try MappedObject(kind == .fsdax ? .fsdax : .deviceDAX, DeviceFile(map))
      space = try MemoryMap(MemoryMap.Options(rules: rules))
    }

    func perform(_ step: Step) throws {
      switch step {
      case .map(let sharing):
        let pages = LegacyDifferenceTests.pages
        areas.append(try space.map(file, pages: pages, [.read, .write], sharing))
      case .unmap(let area): try space.unmap(areas.remove(at: area).range)
      case .access(let area, let page, let isWrite, let inChild):
        let (space, areas) = inChild ? child! : (space, areas)
        let address = areas[area].address(ofPage: page)
        if isWrite { try space.store(1, at: address) } else { _ = try space.load(address) }
      case .discard(let area, let pages):
        try space.discard(areas[area].addresses(ofPages: pages))
      case .take(let area, let pages, let taking):
        let range = areas[area].addresses(ofPages: pages)
        switch taking {
        case .get: handles.append(.references(.init(try space.get(range))))
        case .pin: handles.append(.pins(.init(try space.pin(range))))
        case .pinForStores: handles.append(.pins(.init(try space.pin(range, .write))))
        }
      case .release(let number): handles.remove(at: number)
      case .fork: child = (try space.fork(), areas)
      case .endChild: child = nil
      case .unmapObject(let pages): file.unmap(pages: pages, includingCopies: false)
      }
    }

    /// R, M and the entries that map the page.
    func counts(_ page: Int) -> (references: Int, mappings: Int, entries: Int) {
      let frame = map.frame(page)
      var entries = 0
      for (space, areas) in [(space, areas)] + (child.map { [$0] } ?? []) {
        for area in areas {
          let entry = TestSupport.entry(space, area.address(ofPage: page))
          if pte_present(entry) && pte_pfn(entry) == frame { entries += 1 }
        }
      }
      let counts = TestSupport.counts(frame)
      return (counts.references, counts.mappings, entries)
    }
  }

  /// A step that can be done now.
  private func draw(_ random: inout SeededRandom, _ world: World) -> Step? {
    func pages() -> Range<Int> {
      let first = random.number(in: 0...(Self.pages - 1))
      return first..<random.number(in: (first + 1)...Self.pages)
    }
    let areas = world.areas.count
    let kind = random.number(in: 0...19)
    if kind == 0 || areas == 0 {
      return areas < 4 ? .map(random.once(in: 3) ? .private : .shared) : nil
    }
    let area = random.number(in: 0...(areas - 1))
    switch kind {
    case 1: return .unmap(area)
    case 2: return world.child == nil ? .fork : .endChild
    case 3...5:
      guard let child = world.child, !child.areas.isEmpty else { return nil }
      let area = random.number(in: 0...(child.areas.count - 1))
      return .access(
        area, page: random.number(in: 0...(Self.pages - 1)), isWrite: random.once(in: 2),
        inChild: true)
    case 6: return .unmapObject(pages())
    case 7...8: return .discard(area, pages())
    case 9...10: return .take(area, pages(), random.element(of: Taking.allCases)!)
    case 11...12:
      let handles = world.handles.count
      return handles == 0 ? nil : .release(random.number(in: 0...(handles - 1)))
    default:
      return .access(
        area, page: random.number(in: 0...(Self.pages - 1)), isWrite: random.once(in: 2),
        inChild: false)
    }
  }

  @Test(
    "R differs by base_legacy - base_modern - m behind every step",
    arguments: [PageMap.Kind.fsdax, .generic], [PageMap.Rules.strict, .kernel])
  func references(kind: PageMap.Kind, rules: PageMap.Rules) throws {
    for seed in Seed.these([63, 64, 65]) {
      var random = SeededRandom(seed: seed.value)
      let (legacy, modern) = (try World(kind, .legacy), try World(kind, rules))
      let bases = kind == .fsdax ? 1 : 0
      var (mapped, most) = (0, 0)
      for _ in 0..<600 {
        guard let step = draw(&random, legacy) else { continue }
        try legacy.perform(step)
        try modern.perform(step)
        for page in 0..<Self.pages {
          let (before, now) = (legacy.counts(page), modern.counts(page))
          let isAsExpected =
            before.references - now.references == bases - now.entries
            && before.entries == now.entries && before.mappings == 0
            && now.mappings == now.entries
          try #require(
            isAsExpected, "\(seed), \(step), page \(page): legacy \(before), later \(now)")
          mapped += now.entries > 0 ? 1 : 0
          most = max(most, now.entries)
        }
      }
      #expect(mapped > 1000 && most > 4, "\(seed): hardly anything was mapped")
      for world in [legacy, modern] {
        world.handles.removeAll()
        world.child = nil
        for area in world.areas { try world.space.unmap(area.range) }
        world.areas.removeAll()
        let idle = world === legacy ? 1 : 1 - bases
        #expect((0..<Self.pages).allSatisfy { world.counts($0).references == idle })
        #expect(world.map.audit(mappedBy: [world.space]).isEmpty)
      }
    }
  }
}
