// SPDX-License-Identifier: MIT

// The audit of one folio: its words against each other, its counters against the ledger.

import CFolio

/// The words of a folio, read once.
@safe
private struct Words {
  let frame: UInt
  let order: Int
  let references: Int
  let mappings: Int
  let ledger: cfolio_ledger_numbers
  let page: UnsafeMutablePointer<page>
  let folio: UnsafeMutablePointer<folio>

  /// No entry maps the folio: as the ledger knows or, without one, as M says.
  var isUnmapped: Bool { ledger.kept ? ledger.mappings == 0 : mappings <= 0 }

  init(_ frame: UInt) {
    self.frame = frame
    unsafe page = pfn_to_page(frame)
    unsafe folio = UnsafeMutableRawPointer(page).assumingMemoryBound(to: CFolio.folio.self)
    unsafe order = Int(folio_order(folio))
    unsafe references = Int(folio_ref_count(folio))
    unsafe mappings = Int(folio_mapcount(folio))
    unsafe ledger = cfolio_ledger_numbers(page)
  }
}

extension MapAudit {
  /// Audits the folio that begins at `frame`; returns the frame behind it.
  mutating func checkFolio(at frame: UInt) -> UInt {
    let words = Words(frame)
    let isHead = unsafe PageHead(words.page)
    require(unsafe !PageTail(words.page), "CI11", frame, "tail without a head before it")
    require(
      isHead == (words.order > 0) && words.order <= Int(MAX_FOLIO_ORDER), "CI8", frame,
      "head flag \(isHead), order \(words.order)")
    checkCounts(words)
    checkLedger(words)
    guard isHead, 1...Int(MAX_FOLIO_ORDER) ~= words.order else {
      checkSmall(words)
      return frame + 1
    }
    let end = frame + UInt(1) << UInt(words.order)
    require(
      end <= map.frames.upperBound, "CI9", frame, "folio of order \(words.order) leaves its map")
    checkLarge(words, end: min(end, map.frames.upperBound))
    return min(end, map.frames.upperBound)
  }

  private mutating func checkCounts(_ words: Words) {
    let (frame, references) = (words.frame, words.references)
    require(references >= 0, "CI21", frame, "R is \(references)")
    require(references < Int(Int32.max) - 127, "CI21", frame, "R is \(references): overflow")
    require(words.mappings >= 0, "CI4", frame, "M is \(words.mappings)")
    // Legacy: some entries own no reference, some pages no base.
    require(
      isLegacy || references - max(words.mappings, 0) >= idleCount, "CI5", frame,
      "R is \(references), M is \(words.mappings): a mapping without a reference")
    switch map.kind {
    case .generic:
      require(references >= 1, "CI25", frame, "base reference gone: R is \(references)")
    case .fsdax:
      if references == 0 && !isLegacy {
        require(words.mappings == 0, "CI24", frame, "idle page mapped \(words.mappings) times")
      }
    case .devicePrivate, .deviceCoherent, .pciP2PDMA:
      if references > idleCount { allocated += 1 }
    }
    let isTyped = unsafe page_has_type(words.page)
    require(!isTyped || words.mappings == 0, "CI65", frame, "typed page mapped")
    let mapping = unsafe folio_mapping_word(words.folio)
    let share = unsafe folio_share(words.folio)
    require(
      mapping != 0 || share < UInt(Int32.max), "CI36", frame,
      "no mapping and a share count of \(share)")
  }

  private mutating func checkLedger(_ words: Words) {
    let ledger = words.ledger
    guard ledger.kept else { return }
    let frame = words.frame
    let (held, mapped, idleCount) = (Int(ledger.references), Int(ledger.mappings), idleCount)
    if ledger.frozen {
      require(words.references == 0, "CI39", frame, "frozen with R \(words.references)")
    } else {
      let expected = idleCount + held + (countsMappings ? mapped : 0)
      let name = isLegacy ? "CI3" : words.order == 0 ? "CI1" : "CI2"
      require(
        words.references == expected, name, frame,
        "R is \(words.references): base \(idleCount), references \(held), mapped entries \(mapped)")
      require(held >= 0, "CI1", frame, "mapped entries own \(-held) references that nobody took")
    }
    require(
      words.mappings == mapped, "CI4", frame, "M is \(words.mappings), mapped entries \(mapped)")
    require(
      ledger.frees == ledger.zeroes, "CI22", frame,
      "\(ledger.zeroes) drops to 0, \(ledger.frees) runs of the free path")
    if map.kind == .fsdax {
      let owed = isLegacy ? ledger.ones : ledger.zeroes
      require(ledger.wakes == owed, "CI23", frame, "\(owed) times idle, \(ledger.wakes) wakes")
    }
  }

  private mutating func checkSmall(_ words: Words) {
    let word = unsafe folio_pgmap_word(words.folio)
    require(
      word == UInt(bitPattern: unsafe map.pgmap), "CI11", words.frame,
      "map word \(String(word, radix: 16))")
    if words.isUnmapped && !(unsafe page_has_type(words.page)) {
      let raw = unsafe atomic_read(&words.page.pointee._mapcount)
      require(raw == -1, "CI16", words.frame, "unmapped with mapcount word \(raw)")
    }
  }

  private mutating func checkLarge(_ words: Words, end: UInt) {
    let (frame, folio) = unsafe (words.frame, words.folio)
    let count = unsafe Int(folio_nr_pages(folio))
    require(count == 1 << words.order, "CI8", frame, "_nr_pages \(count), order \(words.order)")
    require(
      frame % (UInt(1) << UInt(words.order)) == 0, "CI9", frame, "not aligned to its order")
    let pins = unsafe Int(atomic_read(&folio.pointee._pincount))
    require(
      0...max(words.references, 0) ~= pins, "CI6", frame, "pins \(pins), R \(words.references)")
    if map.kind == .fsdax && words.references == 0 && !isLegacy {
      require(pins == 0, "CI24", frame, "idle folio with pin count \(pins)")
    }
    checkTails(words, end: end)
    checkMapcounts(words, end: end)
    checkOwners(words)
  }

  private mutating func checkTails(_ words: Words, end: UInt) {
    let head = UInt(bitPattern: unsafe words.page) + 1
    for frame in (words.frame + 1)..<end {
      let tail = unsafe pfn_to_page(frame)
      let references = unsafe page_ref_count(tail)
      require(references == 0, "CI7", frame, "tail with R \(references)")
      require(unsafe page_head_word(tail) == head, "CI9", frame, "tail names another head")
      // Page 1 holds the head's slots in its private word, pages 1 and 2 counters and a list in
      // their mapping words.
      guard frame >= words.frame + 2 else { continue }
      let owned = unsafe page_private_word(tail)
      require(owned == 0, "CI10", frame, "private word \(owned) of a tail")
      guard frame >= words.frame + 3 else { continue }
      require(
        unsafe page_mapping_word(tail) == cfolio_tail_mapping(), "CI10", frame,
        "tail without its mark")
    }
  }

  private mutating func checkMapcounts(_ words: Words, end: UInt) {
    let (frame, folio) = unsafe (words.frame, words.folio)
    let entire = Int(unsafe folio_entire_mapcount(folio))
    let large = Int(unsafe folio_large_mapcount(folio))
    let counted = Int(unsafe atomic_read(&folio.pointee._nr_pages_mapped))
    var sum = 0
    var mapped = 0
    var touched = 0
    for tail in frame..<end {
      let page = unsafe pfn_to_page(tail)
      // A typed page has no count in that word (CI65).
      if unsafe page_has_type(page) { continue }
      let count = Int(unsafe atomic_read(&page.pointee._mapcount)) + 1
      sum += count
      if count > 0 { mapped += 1 }
      if count != 0 { touched += 1 }
    }
    if unsafe map.pgmap.pointee.rmap_mode.page_mapcount {
      require(
        entire >= 0 && large == entire + sum, "CI12", frame,
        "L \(large), EM \(entire), pages \(sum)")
      let expected = mapped + (entire > 0 ? Int(ENTIRELY_MAPPED) : 0)
      require(counted == expected, "CI13", frame, "NM \(counted), expected \(expected)")
    } else {
      require(entire >= 0 && large >= entire, "CI14", frame, "L \(large), EM \(entire)")
      require(
        counted == 0 && touched == 0, "CI14", frame,
        "NM \(counted) and \(touched) mapcount words in use without per-page counts")
    }
    if words.isUnmapped {
      require(
        large == 0 && entire == 0 && counted == 0 && touched == 0, "CI16", frame,
        "unmapped with L \(large), EM \(entire), NM \(counted), \(touched) mapcount words in use")
    }
  }

  private mutating func checkOwners(_ words: Words) {
    guard unsafe map.pgmap.pointee.rmap_mode.mm_id else { return }
    let (frame, folio) = unsafe (words.frame, words.folio)
    let slots = unsafe folio_mm_slots(folio)
    let large = Int(unsafe folio_large_mapcount(folio))
    require(
      (slots.count0 == -1) == (slots.id0 == 0) && (slots.count1 == -1) == (slots.id1 == 0), "CI15",
      frame, "slots \(slots.id0):\(slots.count0) \(slots.id1):\(slots.count1)")
    require(
      Int(slots.count0) + Int(slots.count1) + 2 <= large, "CI15", frame,
      "slots count more than L \(large)")
    require(large > 0 || !slots.shared, "CI15", frame, "unmapped and SHARED")
  }
}
