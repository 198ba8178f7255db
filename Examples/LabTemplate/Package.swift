// swift-tools-version: 6.2
// SPDX-License-Identifier: MIT

import PackageDescription

let package = Package(
  name: "counter",
  dependencies: [
    // The trait puts the explorer's hooks into Folio itself.
    .package(name: "folio", path: "../folio", traits: ["Lab"])
  ],
  targets: [
    .executableTarget(
      name: "counter",
      dependencies: [.product(name: "FolioLab", package: "folio")],
      swiftSettings: [
        // The same for what this package inlines of Folio; fibers suspend inside accesses that Swift
        // would record per OS thread.
        .unsafeFlags(["-Xcc", "-DFOLIO_LAB", "-enforce-exclusivity=unchecked"])
      ])
  ]
)
