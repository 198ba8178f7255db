// SPDX-License-Identifier: MIT
//
// The only source of randomness of workloads: xoshiro256**, seeded by splitmix64 from one 64-bit
// number, so that a seed names a run on every machine. Both algorithms are public domain designs
// by Blackman and Vigna; written here from their definitions.

/// splitmix64: spreads one number over many.
package struct SplitMix64: RandomNumberGenerator, Sendable {
  private var state: UInt64

  package init(seed: UInt64) { state = seed }

  package mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }
}

/// xoshiro256**.
package struct SeededRandom: RandomNumberGenerator, Sendable {
  private var words: (UInt64, UInt64, UInt64, UInt64)

  package init(seed: UInt64) {
    var spread = SplitMix64(seed: seed)
    words = (spread.next(), spread.next(), spread.next(), spread.next())
  }

  package mutating func next() -> UInt64 {
    let result = Self.rotate(words.1 &* 5, 7) &* 9
    let shifted = words.1 << 17
    words.2 ^= words.0
    words.3 ^= words.1
    words.1 ^= words.2
    words.0 ^= words.3
    words.2 ^= shifted
    words.3 = Self.rotate(words.3, 45)
    return result
  }

  private static func rotate(_ word: UInt64, _ count: UInt64) -> UInt64 {
    (word << count) | (word >> (64 - count))
  }

  /// A number in the range. The standard library's own choice may change between versions; a seed
  /// must not, so this one is fixed: multiply and take the upper half (bias below 2^-32).
  package mutating func number(in range: ClosedRange<Int>) -> Int {
    let span = UInt64(range.upperBound - range.lowerBound) + 1
    return range.lowerBound + Int(next().multipliedFullWidth(by: span).high)
  }

  /// True once in `period` times.
  package mutating func once(in period: Int) -> Bool {
    number(in: 1...period) == 1
  }

  /// One of the elements; nil when there are none.
  package mutating func element<T>(of array: [T]) -> T? {
    array.isEmpty ? nil : array[number(in: 0...array.count - 1)]
  }
}
