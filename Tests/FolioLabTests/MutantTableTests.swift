// SPDX-License-Identifier: MIT

// The three places that know a mutant: its number in folio/mutant.h, its line at the site, its entry
// in the museum. Each has to have the other two.

import FolioWorkloads
import Foundation
import Testing

#if LAB

  extension LabTests { @Suite("Mutant table") struct MutantTableTests {} }

  extension LabTests.MutantTableTests {
    private static let sources = URL(fileURLWithPath: #filePath)
      .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Sources")

    /// Numbers by id, as the header has them.
    private static func enumerators() throws -> [String: Int32] {
      let header = try String(
        contentsOf: sources.appending(path: "CFolio/include/folio/mutant.h"), encoding: .utf8)
      var numbers: [String: Int32] = [:]
      for match in header.matches(of: /\n\tMUTANT_(\w+) = (\d+),/) where match.1 != "NONE" {
        #expect(numbers.updateValue(Int32(match.2)!, forKey: String(match.1)) == nil)
      }
      return numbers
    }

    /// Ids that some line of the library asks for: MUTANT(C01) in C, isMutant(MUTANT_C01) in Swift.
    private static func sites() throws -> Set<String> {
      var ids: Set<String> = []
      for module in ["CFolio", "FolioCore"] {
        let files = FileManager.default.enumerator(
          at: sources.appending(path: module), includingPropertiesForKeys: nil)
        for case let file as URL in files! where ["c", "h", "swift"].contains(file.pathExtension) {
          if file.lastPathComponent == "mutant.h" { continue }
          let text = try String(contentsOf: file, encoding: .utf8)
          ids.formUnion(text.matches(of: /\bMUTANT\(([A-Z]\w+)\)/).map { String($0.1) })
          ids.formUnion(text.matches(of: /\bisMutant\(MUTANT_(\w+)\)/).map { String($0.1) })
        }
      }
      return ids
    }

    /// The museum, and what only watching plain accesses shows.
    private static let known = Mutant.all + Mutant.plain

    @Test("the museum has each mutant of the header once, under its number")
    func registry() throws {
      let numbers = try Self.enumerators()
      #expect(numbers.count >= 40)
      #expect(Set(numbers.values).count == numbers.count)
      #expect(Set(Self.known.map(\.id)).count == Self.known.count)
      let museum = Dictionary(uniqueKeysWithValues: Self.known.map { ($0.id, $0.number) })
      #expect(museum == numbers)
    }

    @Test("each mutant has a line in the library, and each such line a mutant")
    func lines() throws {
      let (ids, sites) = (Set(try Self.enumerators().keys), try Self.sites())
      #expect(ids.subtracting(sites).sorted() == [])
      #expect(sites.subtracting(ids).sorted() == [])
    }

    @Test("each mutant breaks scenarios that there are")
    func scenarios() {
      for mutant in Self.known {
        #expect(!mutant.scenarios.isEmpty && !mutant.expected.isEmpty, "\(mutant.id)")
        for name in mutant.scenarios {
          #expect(Scenario.named(name) != nil, "\(mutant.id) \(name)")
        }
      }
    }
  }

#endif
