// SPDX-License-Identifier: MIT

// The permanent pages of the process, for one test at a time: suites run side by side.

package import CFolio
import Synchronization

/// The zero page and the huge zero folio.
package enum ZeroFolios {
  private static let turn = Mutex(())

  /// Runs `body` with these pages as the permanent ones; then those from before again.
  package static func with(
    page: UnsafeMutablePointer<page>? = nil, huge: UnsafeMutablePointer<folio>? = nil,
    _ body: () -> Void
  ) {
    turn.withLock { _ in
      let before = unsafe (cfolio_zero_page_now(), cfolio_huge_zero_folio_now())
      unsafe cfolio_set_zero_folios(page, huge)
      body()
      unsafe cfolio_set_zero_folios(before.0, before.1)
    }
  }
}
