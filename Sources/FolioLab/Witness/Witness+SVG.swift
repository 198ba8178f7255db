// SPDX-License-Identifier: MIT

// A witness as a picture.

extension Witness {
  /// Pictures are not larger than this.
  static let svgBytes = 30 * 1024

  /// A space-time diagram as a document of its own: no scripts, no fonts, nothing from elsewhere. It
  /// is at most 30 KiB; what does not fit is folded, the earliest that matters last.
  public func svg() -> String {
    let causality = Causality(self)
    let names = WordNames(steps)
    var limit = 64
    while true {
      let svg = SpaceTimeDiagram(self, causality, names, limit: limit).svg
      if svg.utf8.count <= Self.svgBytes || limit <= 2 { return svg }
      limit = limit * 7 / 8
    }
  }
}
