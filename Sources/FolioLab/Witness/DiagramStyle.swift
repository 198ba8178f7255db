// SPDX-License-Identifier: MIT

// Colours and lines of the space-time diagram: one sheet with two palettes, so that a picture suits a
// light and a dark page and shows its own background on both.

enum DiagramStyle {
  /// A colour of each palette.
  private struct Tone {
    let light: String
    let dark: String
  }

  private static func rule(_ selector: String, _ property: String, _ light: String, _ dark: String)
    -> (String, String, Tone)
  {
    (selector, property, Tone(light: light, dark: dark))
  }

  private static let colours = [
    rule(".bg", "fill", "#ffffff", "#0d1117"),
    rule("text", "fill", "#1f2328", "#e6edf3"),
    rule(".q", "fill", "#59636e", "#9198a1"),
    rule(".e", "fill", "#cf222e", "#ff7b72"),
    rule(".b", "fill", "#f6f8fa", "#161b22"),
    rule(".b", "stroke", "#d1d9e0", "#3d444d"),
    rule(".bm", "fill", "#fff8c5", "#332a10"),
    rule(".bm", "stroke", "#bf8700", "#d29922"),
    rule(".bf", "fill", "#ffebe9", "#3c1618"),
    rule(".bf", "stroke", "#cf222e", "#f85149"),
    rule(".l", "stroke", "#d1d9e0", "#3d444d"),
    rule(".p", "fill", "#cf222e", "#ff7b72"),
    rule(".a", "stroke", "#0969da", "#4493f8"),
    rule(".ah", "fill", "#0969da", "#4493f8"),
    rule(".rs", "fill", "#ddf4ff", "#0c2d4a"),
    rule(".gp", "fill", "#fbefff", "#2b1a40"),
    rule(".gp", "stroke", "#8250df", "#ab7df8"),
    rule(".w", "fill", "#d1d9e0", "#3d444d"),
    rule(".lv", "fill", "#1a7f37", "#3fb950"),
    rule(".fz", "fill", "#0598bc", "#39c5cf"),
    rule(".fr", "fill", "#a40e26", "#da3633"),
    rule(".rd", "fill", "#ffffff", "#0d1117"),
    rule(".rd", "stroke", "#59636e", "#9198a1"),
    rule(".k", "stroke", "#ffffff", "#0d1117"),
    rule(".t0", "fill", "#0969da", "#4493f8"),
    rule(".t1", "fill", "#bc4c00", "#f0883e"),
    rule(".t2", "fill", "#8250df", "#ab7df8"),
    rule(".t3", "fill", "#1a7f37", "#3fb950"),
    rule(".t4", "fill", "#bf3989", "#f778ba"),
    rule(".t5", "fill", "#59636e", "#9198a1"),
  ]

  private static let shapes = """
    text{font:11px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace}
    .h{font-size:15px;font-weight:bold}.s{font-size:10px}.v{font-weight:bold}
    .l,.a{fill:none}.a{stroke-width:1.5}.y{opacity:.45}.d{stroke-dasharray:4 3}
    .bm,.bf{stroke-width:1.5}.gp{stroke-dasharray:4 3}
    .k{stroke-width:1.5}.hl .b{stroke-width:3}.hl .v{text-decoration:underline}

    """

  /// The content of the style element.
  static var sheet: String {
    func palette(_ tone: KeyPath<Tone, String>) -> String {
      colours.map { "\($0.0){\($0.1):\($0.2[keyPath: tone])}" }.joined(separator: "\n") + "\n"
    }
    return shapes + palette(\.light) + "@media (prefers-color-scheme:dark){\n" + palette(\.dark)
      + "}\n"
  }

  /// The class of a thread's colour.
  static func thread(_ thread: Int) -> String { "t\(thread % 6)" }
}
