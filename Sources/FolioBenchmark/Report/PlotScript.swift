// SPDX-License-Identifier: MIT

// The gnuplot scripts: data blocks and how they are drawn. Times are on a logarithmic axis, because
// operations differ by seven orders of magnitude.

import Foundation

enum PlotScript {
  private static let ours = "#1f5fa8"
  private static let theirs = "#d9822b"
  private static let second = "#b3324a"
  private static let faint = "#c9ced6"

  private static let frame = """
    set border 1 lc rgb "#5b6470"
    set tics nomirror textcolor rgb "#333a44"
    set grid xtics lt 1 lc rgb "#dfe3e8" lw 1
    set title font ",14" textcolor rgb "#1c2129"
    set xlabel textcolor rgb "#333a44"
    set key textcolor rgb "#333a44"

    """

  /// gnuplot's default text mode reads _ and ^ as commands; `noenhanced` turns that off, and what
  /// is left is the quote.
  private static func label(_ text: String) -> String {
    "\"" + text.replacingOccurrences(of: "\"", with: "'") + "\""
  }

  /// Names of the powers of ten of a nanosecond.
  private static let timeTics = """
    set xtics ("0.1 ns" 0.1, "1 ns" 1, "10 ns" 10, "100 ns" 100, "1 µs" 1e3, "10 µs" 1e4, \
    "100 µs" 1e5, "1 ms" 1e6, "10 ms" 1e7)

    """

  /// The name of a row, left of the axis: operations stand out, peers are set back.
  private static func rowName(_ text: String, at place: Double, isOperation: Bool) -> String {
    let font = isOperation ? "DejaVu Sans Bold,10" : "DejaVu Sans,10"
    let color = isOperation ? ours : "#4a525d"
    return "set label \(label(text)) at graph -0.012, first \(place) right noenhanced "
      + "font \"\(font)\" textcolor rgb \"\(color)\""
  }

  private static func rule(at place: Double) -> String {
    "set arrow from graph 0, first \(place) to graph 1, first \(place) nohead "
      + "lc rgb \"\(faint)\" lw 1"
  }

  private static func block(_ name: String, _ lines: [String]) -> String {
    "$\(name) << EOD\n" + lines.joined(separator: "\n") + "\nEOD\n"
  }

  // MARK: Cost against peers

  private struct Row {
    let title: String
    let isOurs: Bool
    let side: SideMeasurement
  }

  /// A dot per side with its 5th to 95th percentile, one group of rows per operation.
  static func cost(_ measurements: [Measurement]) -> Plot.Chart? {
    let shown = measurements.filter {
      !$0.isScaled && $0.unit == "ns/op" && $0.state == .warm
        && ($0.threads == 1 || !measurements.containsSingleThreaded($0.operation))
    }
    guard !shown.isEmpty else { return nil }
    let rows = shown.map { measurement in
      [
        Row(
          title: measurement.operation
            + (measurement.threads == 1 ? "" : " (\(measurement.threads) threads)"),
          isOurs: true, side: measurement.ours)
      ]
        + measurement.peers.filter { $0.refused == nil }.map {
          Row(title: $0.name, isOurs: false, side: $0)
        }
    }
    var (own, others, names, rules): ([String], [String], [String], [String]) = ([], [], [], [])
    var place = 0.0
    for group in rows {
      for row in group {
        let side = row.side
        let line =
          "\(place) \(side.median) \(side.p5) \(side.p95) \"\(Format.cost(side.median, "ns/op"))\""
        if row.isOurs { own.append(line) } else { others.append(line) }
        names.append(rowName(row.title, at: place, isOperation: row.isOurs))
        place += 1
      }
      rules.append(rule(at: place - 0.1))
      place += 0.8
    }
    let lowest = rows.joined().map { max($0.side.p5, 0.05) }.min() ?? 0.1
    let highest = rows.joined().map(\.side.p95).max() ?? 1
    let script =
      frame + timeTics + block("ours", own) + block("theirs", others)
        + """
        set title "What each operation costs, beside its peers in the same run"
        set xlabel "time per operation, warm, one thread unless it says more\\n(dot: median, bar: 5th to 95th percentile)"
        set logscale x
        set lmargin 40
        unset ytics
        set xrange [\(lowest / 2):\(highest * 12)]
        set yrange [\(place):-1]
        set key top right horizontal outside
        \((names + rules.dropLast()).joined(separator: "\n"))
        plot $theirs using 2:1:3:4 with xerrorbars lc rgb "\(theirs)" lw 1.6 pt 7 ps 0.8 title "peer", \\
          $ours using 2:1:3:4 with xerrorbars lc rgb "\(ours)" lw 2.2 pt 7 ps 1.2 title "Folio", \\
          $theirs using 4:1:5 with labels left offset 1,0 font ",9" textcolor rgb "#6b7480" notitle, \\
          $ours using 4:1:5 with labels left offset 1,0 font ",9" textcolor rgb "\(ours)" notitle
        """
    return Plot.Chart(
      name: "cost", width: 1150, height: 150 + Int(place * 17), script: script)
  }

  // MARK: Size of the device

  /// Operations on every page in turn, with the names of their data and their colours.
  private static let walks = [
    Walk(operation: Name.deviceWalk, block: "cost", title: "get and put", colour: ours),
    Walk(
      operation: Name.sequentialPins, block: "pins", title: "fast pin and unpin", colour: second),
    Walk(operation: Name.sequentialMapZap, block: "maps", title: "map and zap", colour: theirs),
  ]

  private struct Walk {
    var operation, block, title, colour: String
  }

  /// Cost and metadata per page over the number of pages.
  static func scaling(_ measurements: [Measurement]) -> Plot.Chart? {
    let bytes = measurements.filter { $0.operation == Name.metadata }
    let drawn = walks.map { walk in
      (walk: walk, measured: measurements.filter { $0.operation == walk.operation })
    }.filter { $0.measured.count > 1 }
    guard !drawn.isEmpty else { return nil }
    let measured = drawn.flatMap(\.measured)
    let blocks = drawn.map { walk, measured in
      block(
        walk.block, measured.map { "\($0.pages) \($0.ours.median) \($0.ours.p5) \($0.ours.p95)" })
    }.joined()
    let curves = drawn.map { walk, _ in
      "$\(walk.block) using 1:3:4 with filledcurves fc rgb \"\(walk.colour)\" fs transparent "
        + "solid 0.2 noborder notitle, $\(walk.block) using 1:2 with linespoints "
        + "lc rgb \"\(walk.colour)\" lw 2.4 pt 7 ps 1.1 title \"\(walk.title)\""
    }.joined(separator: ", \\\n  ")
    let metadata = bytes.map { "\($0.pages) \($0.ours.median)" }
    let sizes = (measured + bytes).map(\.pages)
    let top = (measured.map(\.ours.p95).max() ?? 1) * 1.25
    var script =
      frame + blocks + block("metadata", metadata)
        + """
        set logscale x 2
        set xrange [\(Double(sizes.min() ?? 1) / 1.5):\(Double(sizes.max() ?? 2) * 1.5)]
        set format x "2^{%L}"
        set border 3 lc rgb "#5b6470"
        set grid ytics lt 1 lc rgb "#dfe3e8" lw 1
        set lmargin 10
        set multiplot layout \(metadata.isEmpty ? 1 : 2),1
        set title "Every page in turn: cost per page over the number of pages\\n(line: median, band: 5th to 95th percentile)"
        set ylabel "ns per page" textcolor rgb "#333a44"
        set xlabel "pages of the device"
        set yrange [0:\(top)]
        set key top left
        plot \(curves)

        """
    if !metadata.isEmpty {
      let highest = bytes.map(\.ours.median).max() ?? 70
      script += """
        set title "Memory that describes a page: struct page and everything that finds it"
        set ylabel "bytes per page"
        set yrange [60:\(max(70, highest * 1.05))]
        set arrow 1 from graph 0, first 65 to graph 1, first 65 nohead lc rgb "\(second)" dt 2 lw 1.6
        set label 1 "gate G10: 64 + 1 bytes" at graph 0.99, first 65 right offset 0,0.6 textcolor rgb "\(second)" font ",10"
        plot $metadata using 1:2 with linespoints lc rgb "\(ours)" lw 2.4 pt 7 ps 1.1 notitle, \\
          $metadata using 1:2:(sprintf("%.1f", $2)) with labels offset 0,-1 font ",9" textcolor rgb "#6b7480" notitle

        """
    }
    return Plot.Chart(
      name: "scaling", width: 950, height: metadata.isEmpty ? 430 : 820,
      script: script + "unset multiplot")
  }

  // MARK: Threads

  /// One row per side: a dot per number of threads, joined by a line.
  static func contention(_ measurements: [Measurement]) -> Plot.Chart? {
    let timed = measurements.filter { !$0.isScaled && $0.unit == "ns/op" && $0.state == .warm }
    let counts = Set(timed.map(\.threads)).sorted()
    guard counts.count > 1, let fewest = counts.first else { return nil }
    var points = Dictionary(uniqueKeysWithValues: counts.map { ($0, [String]()) })
    var (lines, names, rules): ([String], [String], [String]) = ([], [], [])
    var place = 0.0
    for base in timed where base.threads == fewest {
      let more = timed.filter { $0.operation == base.operation && $0.threads > fewest }
      guard !more.isEmpty else { continue }
      for (index, side) in base.sides.enumerated() where side.refused == nil {
        let all =
          [(fewest, side.median)]
          + more.compactMap { measurement in
            measurement.sides.first { $0.name == side.name && $0.refused == nil }
              .map { (measurement.threads, $0.median) }
          }
        for (threads, median) in all { points[threads]?.append("\(place) \(median)") }
        let medians = all.map(\.1)
        lines.append("\(place) \(medians.min() ?? 0) \(medians.max() ?? 0)")
        names.append(
          rowName(
            index == 0 ? base.operation : side.name, at: place, isOperation: index == 0))
        place += 1
      }
      rules.append(rule(at: place - 0.1))
      place += 0.8
    }
    guard !lines.isEmpty else { return nil }
    let colors = [ours, second, theirs, "#4b8b3b", "#7a5195"]
    // Few threads have the larger dot: it shows around another one at the same place.
    let plots = counts.enumerated().map { index, threads in
      "$threads\(threads) using 2:1 with points lc rgb \"\(colors[index % colors.count])\" "
        + "pt 7 ps \(1.9 - 0.9 * Double(index) / Double(counts.count - 1)) title \"\(threads) thread\(threads == 1 ? "" : "s")\""
    }
    let script =
      frame + timeTics + block("lines", lines)
      + counts.map { block("threads\($0)", points[$0] ?? []) }.joined()
        + """
        set title "Contention: the same words used by more threads at once"
        set xlabel "time per operation and thread (median)"
        set logscale x
        set lmargin 40
        unset ytics
        set yrange [\(place):-1]
        set key top right horizontal outside
        \((names + rules.dropLast()).joined(separator: "\n"))
        plot $lines using 2:1:($3-$2):(0) with vectors nohead lc rgb "\(faint)" lw 3 notitle, \\
          \(plots.joined(separator: ", \\\n  "))
        """
    return Plot.Chart(
      name: "contention", width: 1050, height: 130 + Int(place * 17), script: script)
  }
}

extension [Measurement] {
  fileprivate func containsSingleThreaded(_ operation: String) -> Bool {
    contains { $0.operation == operation && $0.threads == 1 }
  }
}
