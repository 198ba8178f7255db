// SPDX-License-Identifier: MIT

// A witness as a page: the picture, every step in a table, how to run it again, and what the mutant is
// about. One file, nothing from elsewhere; pointing at a step shows who else touches its word.

extension Witness {
  /// A page of its own, without scripts: the text, the picture, and how to run it again.
  public func html() -> String {
    let title = "\(scenario): \(finding.invariant)"
    return """
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <title>\(title.escaped)</title>
      <style>
      \(Self.pageStyle)
      </style>
      </head>
      <body>
      <h1><em>\(verdict.escaped)</em> \(title.escaped)</h1>
      <p>\(finding.message.escaped)</p>
      <p class="note">\(circumstances.escaped)</p>
      <p>Run it again:</p>
      <pre>\(replayCommand.escaped)</pre>
      \(storySection)<figure>
      \(svg())</figure>
      <h2>Steps</h2>
      <p class="note">Bold: the order with another thread's step matters. Pale: cannot have led to the
      failure. Point at a step to see who else touches its word.</p>
      \(tableOfSteps)
      <script>
      \(Self.pageScript)
      </script>
      </body>
      </html>

      """
  }

  private var storySection: String {
    guard let mutant else { return "" }
    return """
      <section>
      <h2>\(mutant.id.escaped): \(mutant.title.escaped)</h2>
      <p>\(mutant.story.escaped)</p>
      <p class="note">Source: \(mutant.source.escaped)</p>
      </section>

      """
  }

  private var tableOfSteps: String {
    let causality = Causality(self)
    let names = WordNames(steps)
    var lines = [
      "<table>",
      "<tr><th>#</th><th>thread</th><th>function</th><th>operation</th><th>word</th>"
        + "<th>value</th><th>from</th></tr>",
    ]
    for (index, step) in steps.enumerated() {
      var style = causality.matters[index] ? "matters" : causality.past[index] ? "" : "pale"
      if index == causality.failing { style += " fails" }
      let word = step.object.map { names[$0] } ?? ""
      let from = causality.readsFrom[index].map { "\($0)" } ?? ""
      let preempts = finding.trace.preempted(by: index).map { ", preempts \(name($0))" } ?? ""
      let cells = [
        "\(index)", name(step.thread) + preempts, step.function,
        step.text.isEmpty ? step.operation : step.text, word, step.values ?? "", from,
      ]
      let data = step.object.map { " data-w=\"\($0)\"" } ?? ""
      lines.append(
        "<tr class=\"\(style)\" data-i=\"\(index)\"\(data)>"
          + cells.map { "<td>\($0.escaped)</td>" }.joined() + "</tr>")
    }
    return (lines + ["</table>"]).joined(separator: "\n")
  }

  private static let pageStyle = """
    :root{color-scheme:light dark;--ink:#1f2328;--soft:#59636e;--page:#ffffff;--line:#d1d9e0;\
    --code:#f6f8fa;--bad:#cf222e;--mark:#fff8c5}
    @media (prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9198a1;--page:#0d1117;\
    --line:#3d444d;--code:#161b22;--bad:#ff7b72;--mark:#332a10}}
    body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--page);\
    max-width:1180px;margin:2em auto;padding:0 1em}
    h1{font-size:1.4em}h1 em{font-style:normal;color:var(--bad)}h2{font-size:1.1em}
    .note{color:var(--soft)}
    pre{background:var(--code);padding:.7em 1em;overflow-x:auto;border-radius:6px}
    figure{margin:1.5em 0;overflow-x:auto;border:1px solid var(--line);border-radius:6px}
    figure svg{display:block}
    table{border-collapse:collapse;font:13px ui-monospace,Menlo,Consolas,monospace}
    th,td{text-align:left;padding:.2em .8em;border-bottom:1px solid var(--line)}
    tr.matters{font-weight:bold}tr.pale{color:var(--soft)}tr.fails td{color:var(--bad)}
    tr.hl td{background:var(--mark)}
    """

  private static let pageScript = """
    const all = document.querySelectorAll('[data-i],[data-w]');
    function show(target) {
      const it = target && target.closest('[data-i],[data-w]');
      const word = it ? it.dataset.w : undefined, step = it ? it.dataset.i : undefined;
      for (const e of all)
        e.classList.toggle('hl', word !== undefined ? e.dataset.w === word
          : step !== undefined && e.dataset.i === step);
    }
    document.addEventListener('pointerover', event => show(event.target));
    document.addEventListener('pointerleave', () => show(null));
    """
}
