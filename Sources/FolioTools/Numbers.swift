// SPDX-License-Identifier: MIT

// Numbers as sentences carry them.

import Foundation

extension Double {
  /// With so many digits behind the point.
  package func digits(_ count: Int) -> String { String(format: "%.\(count)f", self) }
}

extension Int {
  /// 1_234_567 as 1,234,567.
  package var grouped: String {
    var (digits, grouped) = (Array(String(magnitude)), "")
    while digits.count > 3 {
      grouped = "," + String(digits.suffix(3)) + grouped
      digits.removeLast(3)
    }
    return (self < 0 ? "-" : "") + String(digits) + grouped
  }
}
