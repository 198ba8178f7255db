// swift-tools-version: 6.1
// SPDX-License-Identifier: MIT

import PackageDescription

// The benchmark framework is a package of its own so that Folio itself depends on nothing.
// `traits: []` leaves out what the framework uses to count in the runtime: that comes from further
// packages, and without them its hooks crash with Swift 6.3. RuntimeCounter counts instead.
let package = Package(
  name: "folio-benchmarks",
  platforms: [.macOS(.v15)],
  dependencies: [
    .package(name: "folio", path: ".."),
    .package(url: "https://github.com/ordo-one/benchmark", exact: "1.38.1", traits: []),
  ],
  targets: [
    .target(name: "RuntimeCounter", path: "Benchmarks/RuntimeCounter"),
    .executableTarget(
      name: "Counts",
      dependencies: [
        .product(name: "FolioCore", package: "folio"),
        .product(name: "Benchmark", package: "benchmark"),
        "RuntimeCounter",
      ],
      path: "Benchmarks/Counts",
      plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")]),
  ],
  swiftLanguageModes: [.v6]
)
