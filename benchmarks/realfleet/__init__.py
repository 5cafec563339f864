"""A fleet over AWS, Azure and Google Cloud from public lists: places, prices, round trips, transfer prices, demand."""
