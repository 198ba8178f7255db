// SPDX-License-Identifier: MIT

// Bugs that plain accesses show and nothing else: a sanitizer or the alarm for blind spots catches
// them, and is tested by them. The museum does not show them: the engine alone cannot see them.

extension Mutant {
  package static let plain: [Mutant] = [
    Mutant(
      "B01", 501, "a lookup reads the head of a tree past the seam", source: "planted",
      story: """
        The head is changed by stores of the seam while a lookup reads it plainly: a data race, and
        no step of the lab's.
        """,
      scenarios: ["xarray-grow", "xarray-shrink"], expected: ["DATA-RACE", "THREAD"]),
    Mutant(
      "B02", 502, "a node of a tree is looked at after it was given back", source: "planted",
      story: "Its shift, a plain field, is read when its memory may be somebody else's.",
      scenarios: ["xarray-shrink"], expected: ["USE-AFTER-FREE", "ADDRESS"]),
  ]
}
