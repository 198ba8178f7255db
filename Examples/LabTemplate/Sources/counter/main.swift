// SPDX-License-Identifier: MIT

import FolioLab

LabTool.main([Counter.scenario])
