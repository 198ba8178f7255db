// SPDX-License-Identifier: MIT

// Memory models, as the engine knows them, and what makes an alarm of a weak one go away.

import CLab
public import FolioWorkloads

public typealias MemoryModel = Mutant.MemoryModel

extension MemoryModel {
  var engine: lab_model {
    switch self {
    case .sc: LAB_SC
    case .tso: LAB_TSO
    case .c11: LAB_C11
    }
  }

  init(engine: lab_model) {
    switch engine {
    case LAB_TSO: self = .tso
    case LAB_C11: self = .c11
    default: self = .sc
    }
  }
}

/// A place in the source with a stronger order than it has.
struct Strengthened: Sendable, Hashable {
  /// Address of the `seam_site`, which lives for ever.
  var site: UInt
  var isFull: Bool

  static func put(_ list: [Strengthened], into engine: inout lab_search) {
    precondition(list.count <= Int(LAB_STRENGTHENED_MAX))
    unsafe engine.strengthened_count = UInt32(list.count)
    unsafe withUnsafeMutableBytes(of: &engine.strengthened) { bytes in
      let slots = unsafe bytes.bindMemory(to: lab_strengthened.self)
      for (index, entry) in list.enumerated() {
        unsafe slots[index] = unsafe lab_strengthened(
          site: UnsafePointer(bitPattern: entry.site)!,
          strength: entry.isFull ? LAB_FULL_BARRIERS : LAB_STRONG)
      }
    }
  }
}
