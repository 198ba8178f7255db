// swift-tools-version: 6.2
// SPDX-License-Identifier: MIT

// For lab.sh: `plant` writes reproducers of planted bugs; with REPRODUCERS in the environment they are
// built, as somebody who got them with a bug report would build them.

import PackageDescription

let lab: [Target.Dependency] = [.product(name: "FolioLab", package: "folio")]
let settings: [SwiftSetting] = [
  .unsafeFlags(["-Xcc", "-DFOLIO_LAB", "-enforce-exclusivity=unchecked"])
]
let reproducers = Context.environment["REPRODUCERS"]?.split(separator: " ").map(String.init) ?? []

let package = Package(
  name: "witnesses",
  dependencies: [.package(name: "folio", path: "../folio", traits: ["Lab"])],
  targets: [.executableTarget(name: "plant", dependencies: lab, swiftSettings: settings)]
    + reproducers.map { name in
      name.hasPrefix("c-")
        ? .executableTarget(name: name, dependencies: lab)
        : .executableTarget(name: name, dependencies: lab, swiftSettings: settings)
    }
)
