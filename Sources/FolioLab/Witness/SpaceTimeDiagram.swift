// SPDX-License-Identifier: MIT

// The picture of a witness: a lane per thread, time downwards, one step per row. Because rows have one box
// each, an arrow that leaves a box along its row and turns down between two lanes crosses none.

/// Where things are in the picture of a witness, and the picture itself.
struct SpaceTimeDiagram {
  private let witness: Witness
  private let causality: Causality
  private let names: WordNames
  private let rows: [WitnessRow]
  private let tracks: [WordTrack]

  private let margin = 16
  private let numbers = 28
  private let gutter = 44
  private let box = 34
  private let word = 96
  private let lane: Int
  private let lanes: [Int]
  private let head: [(text: String, style: String, height: Int)]
  /// Of each row, and the end of the last.
  private let tops: [Int]
  private let rowOf: [Int: Int]
  private let lanesTop: Int

  init(
    _ witness: Witness, _ causality: Causality, _ names: WordNames, limit: Int
  ) {
    self.witness = witness
    self.causality = causality
    self.names = names
    rows = WitnessRow.rows(causality, limit: limit)
    lanes = witness.lanes
    tracks = WordTrack.tracks(
      witness, names, causality, limit: lanes.count > 4 ? 3 : lanes.count > 3 ? 4 : 5)
    lane = lanes.count <= 3 ? 196 : lanes.count <= 6 ? 164 : 132
    let wide = 2 * margin + numbers + lanes.count * (lane + gutter) + tracks.count * word
    let columns = max((wide - 2 * margin) / 7, 60)
    var head = [("\(witness.verdict) \(witness.scenario): \(witness.finding.invariant)", "h", 24)]
    head += witness.finding.message.wrapped(to: columns).prefix(3).map { ($0, "", 16) }
    head.append((witness.circumstances.cut(to: columns), "q", 16))
    let token = witness.replayCommand.wrapped(to: columns)
    head += token.prefix(3).enumerated().map { index, line in
      (index == 2 && token.count > 3 ? line.cut(to: columns - 1) + "…" : line, "q", 16)
    }
    self.head = head.map { (text: $0.0, style: $0.1, height: $0.2) }
    lanesTop = margin + head.reduce(0) { $0 + $1.2 } + 14
    var tops = [lanesTop + 42]
    var rowOf: [Int: Int] = [:]
    for (number, row) in rows.enumerated() {
      switch row {
      case .step(let step):
        rowOf[step] = number
        tops.append(tops[number] + 46)
      case .folded(let range):
        for step in range { rowOf[step] = number }
        tops.append(tops[number] + 26)
      }
    }
    self.tops = tops
    self.rowOf = rowOf
  }

  private var lanesLeft: Int { margin + numbers }
  private var wordsLeft: Int { lanesLeft + lanes.count * (lane + gutter) }
  private var bottom: Int { tops.last! + 40 }
  private var width: Int { max(wordsLeft + tracks.count * word + margin, 560) }
  /// Which lane from the left is the thread's.
  private func position(_ thread: Int) -> Int { lanes.firstIndex(of: thread)! }
  private func left(_ thread: Int) -> Int { lanesLeft + position(thread) * (lane + gutter) }
  private func middle(_ step: Int) -> Int {
    let row = rowOf[step]!
    return (tops[row] + tops[row + 1]) / 2
  }
  private func isShown(_ step: Int) -> Bool { rows[rowOf[step]!] == .step(step) }

  var svg: String {
    var drawing = Drawing()
    drawHead(&drawing)
    drawLanes(&drawing)
    drawSections(&drawing)
    drawArrows(&drawing)
    for (number, row) in rows.enumerated() { draw(row, tops[number], &drawing) }
    drawEnd(&drawing)
    for (number, track) in tracks.enumerated() {
      draw(track, wordsLeft + number * word, &drawing)
    }
    let height = drawLegend(&drawing) + margin
    return """
      <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(width) \(height)" width="\(width)" \
      height="\(height)" role="img">
      <title>\("\(witness.scenario): \(witness.finding.invariant)".escaped)</title>
      <style>\(DiagramStyle.sheet)</style>
      <defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6" \
      orient="auto"><path d="M0 0L8 4L0 8z" class="ah"/></marker></defs>
      <rect width="100%" height="100%" class="bg"/>
      \(drawing.text)</svg>

      """
  }

  private func drawHead(_ drawing: inout Drawing) {
    var y = margin
    for (number, line) in head.enumerated() {
      drawing.text(margin, y + 13, line.text, number == 0 ? "h e" : line.style)
      y += line.height
    }
  }

  private func drawLanes(_ drawing: inout Drawing) {
    for thread in lanes {
      let x = left(thread)
      drawing.line(x + lane / 2, lanesTop + 26, x + lane / 2, tops.last!, "l")
      drawing.rect(x, lanesTop, lane, 26, "b", radius: 13)
      drawing.circle(x + 14, lanesTop + 13, 4, DiagramStyle.thread(thread))
      drawing.text(x + 26, lanesTop + 17, witness.name(thread).cut(to: (lane - 34) / 7), "v")
    }
  }

  // MARK: Read sections and grace periods

  private func drawSections(_ drawing: inout Drawing) {
    var open: [Int: Int] = [:]
    var graces: [Int: Int] = [:]
    var deferred: [Int] = []
    let last = witness.steps.count - 1
    func shade(_ thread: Int, _ first: Int, _ end: Int, _ style: String, inset: Int) {
      let y = tops[rowOf[first]!] + inset
      let height = tops[rowOf[end]! + 1] - inset - y
      drawing.rect(left(thread) - 7 + inset, y, lane + 14 - 2 * inset, height, style, radius: 6)
    }
    for (index, step) in witness.steps.enumerated() {
      if step.inSection, open[step.thread] == nil, step.kind != .readUnlock {
        open[step.thread] = index
      }
      switch step.kind {
      case .readUnlock:
        if let begin = open.removeValue(forKey: step.thread) {
          shade(step.thread, begin, index, "rs", inset: 1)
        }
      case .graceBegin: graces[step.thread] = index
      case .graceEnd:
        if let begin = graces.removeValue(forKey: step.thread) {
          shade(step.thread, begin, index, "gp", inset: 2)
        }
      case .deferCall: deferred.append(index)
      case .runDeferred:
        if !deferred.isEmpty { shade(step.thread, deferred.removeFirst(), index, "gp", inset: 2) }
      default: break
      }
    }
    for (thread, begin) in open.sorted(by: { $0.key < $1.key }) {
      shade(thread, begin, last, "rs", inset: 1)
    }
    for (thread, begin) in graces.sorted(by: { $0.key < $1.key }) {
      shade(thread, begin, last, "gp", inset: 2)
    }
  }

  // MARK: Reads from other threads

  private struct Arrow {
    let writer: Int
    let reader: Int
    let gutter: Int
  }

  private var arrows: [Arrow] {
    witness.steps.indices.compactMap { reader in
      guard let writer = causality.readsFrom[reader], isShown(writer), isShown(reader) else {
        return nil
      }
      let (from, to) = (witness.steps[writer].thread, witness.steps[reader].thread)
      let (here, there) = (position(from), position(to))
      return here == there
        ? nil : Arrow(writer: writer, reader: reader, gutter: here < there ? there - 1 : there)
    }
  }

  private func drawArrows(_ drawing: inout Drawing) {
    // Arrows of one writer share a way down; ways that overlap in time lie side by side.
    struct Way {
      let writer: Int
      let gutter: Int
      var end: Int
      var slot = 0
    }
    let arrows = arrows
    var ways: [Way] = []
    for arrow in arrows {
      if let way = ways.firstIndex(where: { $0.writer == arrow.writer && $0.gutter == arrow.gutter }
      ) {
        ways[way].end = max(ways[way].end, arrow.reader)
      } else {
        ways.append(Way(writer: arrow.writer, gutter: arrow.gutter, end: arrow.reader))
      }
    }
    ways.sort { $0.writer < $1.writer }
    for index in ways.indices {
      let taken = ways[..<index].filter {
        $0.gutter == ways[index].gutter && $0.end >= ways[index].writer
      }.map(\.slot)
      ways[index].slot = (0...taken.count).first { !taken.contains($0) }!
    }
    for arrow in arrows {
      let way = ways.first { $0.writer == arrow.writer && $0.gutter == arrow.gutter }!
      let (from, to) = (witness.steps[arrow.writer].thread, witness.steps[arrow.reader].thread)
      let isRightward = position(from) < position(to)
      let sign = isRightward ? 1 : -1
      let start = isRightward ? left(from) + lane : left(from)
      let end = isRightward ? left(to) - 1 : left(to) + lane + 1
      let x = left(lanes[arrow.gutter]) + lane + 12 + 6 * (way.slot % 4)
      let (y1, y2) = (middle(arrow.writer) + 7, middle(arrow.reader) - 6)
      let matters = causality.matters[arrow.writer] && causality.matters[arrow.reader]
      drawing.raw(
        "<path d=\"M\(start) \(y1)H\(x - 5 * sign)Q\(x) \(y1) \(x) \(y1 + 5)V\(y2 - 5)"
          + "Q\(x) \(y2) \(x + 5 * sign) \(y2)H\(end)\" class=\"a\(matters ? "" : " y")\" "
          + "marker-end=\"url(#tip)\"/>")
    }
  }

  // MARK: Steps

  private func draw(_ row: WitnessRow, _ y: Int, _ drawing: inout Drawing) {
    switch row {
    case .folded(let range):
      drawing.line(lanesLeft, y + 13, wordsLeft - gutter, y + 13, "l d")
      let text = witness.description(ofFolded: range).cut(to: (wordsLeft - lanesLeft) / 7)
      drawing.text(lanesLeft, y + 9, text, "q s")
    case .step(let index):
      let step = witness.steps[index]
      let x = left(step.thread)
      let top = y + 6
      let style = index == causality.failing ? "b bf" : causality.matters[index] ? "b bm" : "b"
      if let preempted = witness.finding.trace.preempted(by: index) {
        let at = left(preempted) + lane / 2
        drawing.rect(at - 38, y - 3, 76, 14, "b", radius: 7)
        drawing.rect(at - 30, y + 1, 2, 7, "p")
        drawing.rect(at - 26, y + 1, 2, 7, "p")
        drawing.text(at - 20, y + 8, "preempted", "s e")
      }
      drawing.text(margin, y + 27, "\(index)", "q s")
      drawing.raw("<g data-i=\"\(index)\"" + (step.object.map { " data-w=\"\($0)\"" } ?? "") + ">")
      drawing.raw("<title>\(detail(step).escaped)</title>")
      drawing.rect(x, top, lane, box, style, radius: 4)
      drawing.rect(x, top, 4, box, DiagramStyle.thread(step.thread), radius: 2)
      let columns = (lane - 16) / 7
      var second = step.operation
      if let object = step.object, let values = step.values {
        second = Self.fit(names[object], values, columns)
      }
      let first = step.object == nil ? step.place : step.label(width: columns * 7 / 6)
      if let first {
        drawing.text(x + 11, top + 14, first.cut(to: columns * 7 / 6), "q s")
        drawing.text(x + 11, top + 27, second.cut(to: columns), "v")
      } else {
        drawing.text(x + 11, top + 21, second.cut(to: columns), "v")
      }
      drawing.raw("</g>")
    }
  }

  /// Name and values in so many columns; the name gives way.
  private static func fit(_ name: String, _ values: String, _ columns: Int) -> String {
    "\(name.cut(to: max(columns - values.count - 1, 4))) \(values)"
  }

  private func detail(_ step: TraceStep) -> String {
    let orders = ["relaxed", "consume", "acquire", "release", "acq_rel", "seq_cst"]
    var text = step.function.isEmpty ? step.operation : "\(step.function): "
    if !step.function.isEmpty { text += step.text.isEmpty ? step.operation : step.text }
    if step.touchesWord, orders.indices.contains(step.order) { text += " (\(orders[step.order]))" }
    return text
  }

  private func drawEnd(_ drawing: inout Drawing) {
    let y = tops.last! + 6
    let text = witness.finding.invariant
    guard let failing = causality.failing else {
      drawing.rect(lanesLeft, y, wordsLeft - gutter - lanesLeft, 24, "bf", radius: 4)
      drawing.text(lanesLeft + 11, y + 16, text + " at the end", "v e")
      return
    }
    let x = left(witness.steps[failing].thread)
    drawing.rect(x, y, lane, 24, "bf", radius: 4)
    drawing.text(x + 11, y + 16, text.cut(to: (lane - 16) / 7), "v e")
  }

  // MARK: Words

  private func draw(_ track: WordTrack, _ x: Int, _ drawing: inout Drawing) {
    let top = lanesTop + 34
    drawing.raw("<g data-w=\"\(track.object)\">")
    drawing.raw("<title>\(track.name.escaped)</title>")
    drawing.text(x, lanesTop + 10, track.name.cut(to: (word - 8) / 7), "v")
    drawing.text(x + 18, lanesTop + 25, Self.short(track.first), "q")
    var (begin, life) = (top, track.firstLife)
    func segment(to end: Int) {
      let style = life.map { [.live: "lv", .frozen: "fz", .freed: "fr"][$0]! } ?? "w"
      let thick = life == nil ? 2 : 8
      if end > begin { drawing.rect(x + 8 - thick / 2, begin, thick, end - begin, style) }
    }
    for change in track.changes where change.life != life {
      segment(to: middle(change.step))
      (begin, life) = (middle(change.step), change.life)
    }
    segment(to: tops.last!)
    for read in track.reads where isShown(read) { drawing.circle(x + 8, middle(read), 3, "rd") }
    for change in track.changes where isShown(change.step) {
      let y = middle(change.step)
      drawing.circle(x + 8, y, 6, "k " + DiagramStyle.thread(witness.steps[change.step].thread))
      drawing.text(x + 18, y + 4, Self.short(change.value), "v")
    }
    drawing.raw("</g>")
  }

  private static func short(_ value: Int64) -> String { TraceStep.short(value).cut(to: 10) }

  // MARK: Legend

  /// Returns where it ends.
  private func drawLegend(_ drawing: inout Drawing) -> Int {
    var (x, y) = (margin, bottom + 14)
    func item(_ text: String, _ symbol: (Int, Int, inout Drawing) -> Void) {
      let needed = 26 + text.count * 6 + 22
      if x + needed > width - margin {
        x = margin
        y += 20
      }
      symbol(x, y, &drawing)
      drawing.text(x + 26, y + 4, text, "q s")
      x += needed
    }
    drawing.line(margin, bottom, width - margin, bottom, "l")
    item("order with another thread matters") { $2.rect($0, $1 - 6, 20, 12, "b bm", radius: 3) }
    item("other step") { $2.rect($0, $1 - 6, 20, 12, "b", radius: 3) }
    item("failure") { $2.rect($0, $1 - 6, 20, 12, "bf", radius: 3) }
    if witness.finding.trace.preemptions > 0 {
      item("preempted: could have gone on") {
        $2.rect($0 + 6, $1 - 4, 2, 8, "p")
        $2.rect($0 + 11, $1 - 4, 2, 8, "p")
      }
    }
    if !arrows.isEmpty {
      item("value comes from") {
        $2.raw("<path d=\"M\($0) \($1)H\($0 + 20)\" class=\"a\" marker-end=\"url(#tip)\"/>")
      }
    }
    if witness.steps.contains(where: \.inSection) {
      item("RCU read section") { $2.rect($0, $1 - 6, 20, 12, "rs", radius: 3) }
    }
    if witness.steps.contains(where: { $0.kind == .graceBegin || $0.kind == .deferCall }) {
      item("grace period") { $2.rect($0, $1 - 6, 20, 12, "gp", radius: 3) }
    }
    if !tracks.isEmpty {
      item("written, in its thread's colour") { $2.circle($0 + 10, $1, 6, "k t0") }
      item("read") { $2.circle($0 + 10, $1, 3, "rd") }
    }
    let lives = Set(tracks.flatMap { [$0.firstLife] + $0.changes.map(\.life) }.compactMap(\.self))
    for (life, name, style) in [
      (WordTrack.Life.live, "live", "lv"), (.frozen, "frozen at 0", "fz"),
      (.freed, "no reference left", "fr"),
    ] where lives.contains(life) {
      item(name) { $2.rect($0 + 6, $1 - 6, 8, 12, style) }
    }
    return y + 8
  }
}
