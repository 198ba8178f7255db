// swift-tools-version: 6.2
// SPDX-License-Identifier: MIT

import PackageDescription

// A program outside Folio that uses its public API the way a user does: no unsafe flags, no
// experimental features, every warning an error. What it may not write is in Rejected/.
let package = Package(
  name: "consumer",
  dependencies: [.package(name: "folio", path: "../..")],
  targets: [
    .executableTarget(
      name: "Client",
      dependencies: [.product(name: "FolioCore", package: "folio")],
      swiftSettings: [
        .swiftLanguageMode(.v6),
        .strictMemorySafety(),
        .treatAllWarnings(as: .error),
      ])
  ]
)
