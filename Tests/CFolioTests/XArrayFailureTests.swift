// SPDX-License-Identifier: MIT
// Refused allocations and leaks. Fault injection and the node counter belong to the whole process,
// so each test runs in a process of its own (an exit test); what fails there is reported here.

import CFolio
import Glibc
import Testing

/// Waits for all deferred frees, then expects no node and no deferred call to be left.
func expectNoNodes() {
  rcu_barrier()
  #expect(cfolio_xa_nodes() == 0, "nodes that nobody freed")
  #expect(cfolio_rcu_pending() == 0)
}

@Suite("XArray without memory")
struct XArrayFailureTests {
  @Test("every node is freed once the array is destroyed and a grace period has passed")
  func noLeaks() async {
    await #expect(processExitsWith: .success) {
      do {
        var run = XArrayModelRun(seed: 77)
        try run.run(steps: 5000)
      }
      expectNoNodes()
    }
  }

  @Test("random steps agree with the model while one allocation in three is refused")
  func refusedAllocations() async {
    await #expect(processExitsWith: .success) {
      for seed in xarraySeeds([11, 12]) {
        cfolio_fault_injection(3, seed)
        var run = XArrayModelRun(seed: seed, mayLackMemory: true)
        try run.run(steps: 20_000)
        #expect(run.refusedStores > 100, "seed \(seed) refused too little to say anything")
      }
      cfolio_fault_injection(0, 0)
      expectNoNodes()
    }
  }

  @Test("without any memory stores fail, and erasing and replacing go on")
  func noMemoryAtAll() async {
    await #expect(processExitsWith: .success) {
      do {
        let array = TestXArray()
        _ = array.store(512, order: 9, 1)
        _ = array.store(1 << 30, 2)
        cfolio_fault_injection(1, 0)
        let nodes = array.nodes
        #expect(array.store(7, 3) == .error(-ENOMEM))
        #expect(array.store(1 << 50, 3) == .error(-ENOMEM))
        #expect(array.insert(7, 3) == -ENOMEM)
        #expect(array.exchange(7, from: nil, to: 3) == .error(-ENOMEM))
        #expect(array.storeRange(0...5000, 3) == -ENOMEM)
        #expect(array.load(7) == nil && array.load(600) == 1 && array.load(1 << 30) == 2)
        #expect(array.nodes == nodes && array.brokenRule == nil)
        #expect(array.store(600, 4) == .entry(1) && array.store(1 << 30, 5) == .entry(2))
        #expect(array.erase(600) == 4 && array.storeRange(0...(.max), nil) == 0)
        #expect(array.isEmpty)
        cfolio_fault_injection(0, 0)
      }
      expectNoNodes()
    }
  }

  @Test("a cursor that gives up after a successful xas_nomem frees its spare nodes")
  func spareNodes() async {
    await #expect(processExitsWith: .success) {
      do {
        let array = TestXArray()
        var cursor = unsafe cfolio_xa_state(array.pointer, 1 << 40, 0)
        cfolio_fault_injection(1, 0)
        unsafe xas_lock(&cursor)
        #expect(unsafe xas_store(&cursor, entry(1)) == nil)
        unsafe xas_unlock(&cursor)
        #expect(unsafe xas_error(&cursor) == -ENOMEM && array.isEmpty)
        cfolio_fault_injection(0, 0)
        #expect(unsafe xas_nomem(&cursor) && xas_error(&cursor) == 0)
        #expect(cfolio_xa_nodes() == 7)
        // With the spare nodes in hand the store needs no more memory.
        cfolio_fault_injection(1, 0)
        unsafe xas_lock(&cursor)
        #expect(unsafe xas_store(&cursor, entry(1)) == nil && xas_error(&cursor) == 0)
        unsafe xas_unlock(&cursor)
        cfolio_fault_injection(0, 0)
        #expect(array.load(1 << 40) == 1 && array.nodes == 7)
        unsafe xas_set(&cursor, 0)
        unsafe xas_destroy(&cursor)
      }
      expectNoNodes()
    }
  }
}
