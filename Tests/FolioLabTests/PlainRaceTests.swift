// SPDX-License-Identifier: MIT

// Plain words under C11: what is ordered by a publication and what comes too late for it.

import FolioCore
import FolioLab
import FolioWorkloads
import Testing

#if LAB

  extension LabTests {
    @Suite("Plain races") struct PlainRaceTests {
      /// A writer publishes a payload by a flag; a reader looks at the payload once it has seen it.
      private static func publication(
        _ name: String, publish: @escaping @Sendable (SharedWord) -> Void,
        behind: @escaping @Sendable (PlainWord) -> Void = { _ in }
      ) -> Scenario {
        Scenario(name, name, rules: [.strict], obligations: ["read"]) { settings in
          let (flag, payload) = (try SharedWord("flag"), try PlainWord("payload"))
          return WordsWorld(
            [flag],
            [
              {
                payload.write(1)
                publish(flag)
                behind(payload)
              },
              {
                guard flag.loadAcquire() != 0 else { return }
                settings.obligations.reach(0)
                _ = payload.read()
              },
            ]
          ) {}
        }
      }

      private func race(_ scenario: Scenario, _ search: Search = .classes) throws -> String? {
        let result = try LabWorld(scenario).explore(search, model: .c11, executions: 2000)
        #expect(result.finding != nil || result.unreached.isEmpty)
        return result.finding?.invariant
      }

      @Test("a payload that is written before a release is no race")
      func published() throws {
        #expect(try race(Self.publication("published") { $0.storeRelease(1) }) == nil)
        #expect(try race(Self.publication("exchanged") { _ = $0.exchange(1) }) == nil)
      }

      @Test("a payload that a relaxed store publishes is a race")
      func relaxed() throws {
        #expect(try race(Self.publication("relaxed") { $0.store(1) }) == "DATA-RACE")
      }

      @Test("what a thread writes behind its release is a race", arguments: [1, 3])
      func late(writes: Int) throws {
        let scenario = Self.publication("late") {
          $0.storeRelease(1)
        } behind: { payload in
          for value in 0..<writes { payload.write(Int32(value)) }
        }
        #expect(try race(scenario) == "DATA-RACE")
      }

      @Test("what a thread only reads behind its release is none")
      func lateRead() throws {
        let scenario = Self.publication("late read") {
          $0.storeRelease(1)
        } behind: {
          _ = $0.read()
        }
        #expect(try race(scenario) == nil)
      }
    }
  }

#endif
